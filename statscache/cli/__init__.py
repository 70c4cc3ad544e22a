"""The statscache command."""

from statscache.cli.root import main

__all__ = ["main"]
