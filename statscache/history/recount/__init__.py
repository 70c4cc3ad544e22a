"""Counting windows again, beside the figures that there are."""
