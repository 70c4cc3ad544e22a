"""What statscache itself raises."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

#: The exit code of a process in which a plugin hangs, where nothing restarts it.
HUNG = 70


@dataclass(frozen=True)
class Sentence:
    """A sentence in English whose parts are put in when it is said, so that it can be said in another language.

    :param message: with the names of its parts in braces
    :param values: the parts by name, of which any may be a sentence, too; where there are none, braces mean nothing
    """

    message: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message.format(**self.values) if self.values else self.message


class StatscacheError(Exception):
    """The base of all errors of statscache."""


class Unusable(StatscacheError):
    """A reason not to start, in one line that names the thing, what was expected and what to do."""


class Rejected(StatscacheError):
    """A message that cannot be counted; the text is the reason, one of a few."""


class Interrupt(KeyboardInterrupt):
    """Somebody's Ctrl-C, for sure."""


@contextmanager
def sure_interrupts() -> Iterator[None]:
    """Let a Ctrl-C be told from what a plugin raises meanwhile, where Python's own handler is that of SIGINT."""
    if not _is_pythons():
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupt


def _is_pythons() -> bool:
    """Return whether a Ctrl-C raises KeyboardInterrupt on this thread, which is so on the main thread alone."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is somebody's Ctrl-C, which only the main thread gets, and only by Python's own handler.

    In a process that handles SIGINT in another way, a KeyboardInterrupt is what a plugin has raised.
    """
    return isinstance(error, Interrupt) or (isinstance(error, KeyboardInterrupt) and _is_pythons())


def text_of(error: BaseException) -> str:
    """Return the text of an error, whatever it does when it is asked for it."""
    try:
        return str.__str__(str(error))  # which may have given a text of a class of its own
    except BaseException as failure:
        if is_interrupt(failure):
            raise
        return f"(its text cannot be had: {type(failure).__name__})"


def trace_of(error: BaseException) -> str:
    """Return the traceback of an error as Python prints it; empty if the error keeps that from being had."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as failure:
        if is_interrupt(failure):
            raise
        return ""


def loggable(error: BaseException | None) -> BaseException | None:
    """Return an error whose traceback can be logged; None if it cannot be had, or there is no error."""
    return error if error is not None and trace_of(error) else None


def number_of(count: int, thing: str) -> str:
    """Return a count and what it counts, in agreement: ``1 message``, ``2 messages``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def some_of(things: Sequence[str], most: int) -> str:
    """Return so many of the things, and how many more there are: ``a, b and 7 more``."""
    rest = len(things) - most
    return ", ".join(things[:most]) + (f" and {rest} more" if rest > 0 else "")


class Unstorable(StatscacheError, ValueError):
    """A text that PostgreSQL cannot keep, or not as a key. A `process` may raise it, too: then no traceback is kept."""
