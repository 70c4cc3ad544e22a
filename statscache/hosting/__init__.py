"""Plugins as the daemon runs them."""
