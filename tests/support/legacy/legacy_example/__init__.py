"""Plugins of the old kind."""
