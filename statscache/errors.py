"""What statscache itself raises."""

from __future__ import annotations

import threading
from collections.abc import Sequence

#: The exit code of a process in which a plugin hangs, where nothing restarts it.
HUNG = 70


class StatscacheError(Exception):
    """The base of all errors of statscache."""


class Unusable(StatscacheError):
    """A reason not to start, in one line that names the thing, what was expected and what to do."""


class Rejected(StatscacheError):
    """A message that cannot be counted; the text is the reason, one of a few."""


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is somebody's Ctrl-C, which only the main thread gets."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def text_of(error: BaseException) -> str:
    """Return the text of an error, whatever it does when it is asked for it."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  it is a plugin's
        return f"(its text cannot be had: {type(failure).__name__})"


def number_of(count: int, thing: str) -> str:
    """Return a count and what it counts, in agreement: ``1 message``, ``2 messages``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def some_of(things: Sequence[str], most: int) -> str:
    """Return so many of the things, and how many more there are: ``a, b and 7 more``."""
    rest = len(things) - most
    return ", ".join(things[:most]) + (f" and {rest} more" if rest > 0 else "")


class Unstorable(StatscacheError, ValueError):
    """A text that PostgreSQL cannot keep, or not as a key. A `process` may raise it, too: then no traceback is kept."""
