"""Lets plugins count messages of the past."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, TypeVar

from statscache.app import App
from statscache.component import Backoff
from statscache.database.trouble import first_line, is_database_trouble
from statscache.errors import Rejected, StatscacheError
from statscache.history.archives.archive import Slice
from statscache.history.bodies import Body, as_sent
from statscache.hosting.dispatch import Dispatch
from statscache.intake.batch import OldBatch
from statscache.messages.message import Message
from statscache.reasons import ReasonCounter
from statscache.span import Span
from statscache.store.forgotten import NamesChanged

log = logging.getLogger(__name__)

#: How long in seconds a command waits for a database that is in trouble.
PATIENCE = 60.0
BACKOFF = Backoff(0.2, 5.0)
T = TypeVar("T")


class SliceCounter:
    """Hands messages of archives to plugins and has them written. For the thread that writes.

    :param turn: is had while something is written
    """

    def __init__(self, app: App, turn: AbstractContextManager[Any] | None = None) -> None:
        self._app = app
        self._turn = turn or nullcontext()
        #: How many messages of archives do not count, by reason.
        self.rejected = ReasonCounter()

    def count(self, found: Slice, plugins: frozenset[str]) -> int:
        """Count a slice for those of the plugins that have counted nothing of it, and return its messages' number.

        Plugins that are suspended are left out: for them it stays a gap.

        :raises Exception: if the transaction failed, whatever made it; then nothing is counted
        """
        return self.count_all(self.messages(found), found.span, plugins)

    def messages(self, found: Slice) -> Iterator[Message]:
        """Yield the messages of a slice, without those that do not count."""
        messages = (message for message in map(self._message, found.bodies) if message)
        return (message for message in messages if message.second in found.span)

    def count_all(self, messages: Iterable[Message], span: Span, plugins: frozenset[str]) -> int:
        """Count all messages of a span, as `count` does."""
        plugins = frozenset(plugin for plugin in plugins if not self._app.suspensions.holds(plugin))
        batch = OldBatch(self._app.naming)
        self._take(batch, messages, self._app.dispatch(plugins))
        if plugins:
            self._write(batch, lambda its: self._app.writer.write_slice(its, span, plugins))
        return len(batch.refs)

    def count_loose(self, messages: Iterable[Message], plugins: frozenset[str] | None = None) -> int:
        """Count messages that are not all of any time, and return how many of them every plugin had.

        :param plugins: None for all
        :raises Exception: if the transaction failed, whatever made it; then nothing is counted
        """
        batch = OldBatch(self._app.naming)
        dispatch = self._app.own if plugins is None else self._app.dispatch(plugins)
        double = self._take(batch, messages, dispatch)
        if not batch.refs:
            return double
        return double + self._write(batch, lambda its: self._app.writer.write_loose(its, plugins))

    def _write(self, batch: OldBatch, write: Callable[[OldBatch], int]) -> int:
        """Write a batch; once more if somebody was forgotten meanwhile."""
        with self._turn:
            try:
                return write(batch)
            except NamesChanged:
                return write(batch.afresh())

    def _message(self, body: Body) -> Message | None:
        try:
            return Message(as_sent(body), self._app.naming)
        except Rejected as reason:
            if self.rejected.add(str(reason)):
                log.warning("rejected a message of an archive, %s: %.200r", reason, body)
            return None

    @staticmethod
    def _take(batch: OldBatch, messages: Iterable[Message], dispatch: Dispatch) -> int:
        """Hand messages over, and return how many came twice."""
        dispatch.cut()  # which gives up what an attempt that failed has left
        double = 0

        def add_to_batch() -> Iterator[Message]:
            nonlocal double
            for message in messages:
                if message.id in batch.refs:
                    double += 1
                else:
                    batch.add(message)
                    yield message

        dispatch.take(add_to_batch())
        batch.taken = dispatch.cut()
        return double


def patiently(act: Callable[[], T], patience: float = PATIENCE) -> T:
    """Do something again as long as the database is in trouble, for so many seconds, and return what it returns.

    :raises StatscacheError: if it is in trouble for longer
    """
    deadline = time.monotonic() + patience
    for tries in count(1):
        try:
            return act()
        except Exception as error:
            if not is_database_trouble(error):
                raise
            if time.monotonic() > deadline:
                raise StatscacheError(
                    f"the database has been failing for {patience:.0f} s ({first_line(error)}): repair it and run "
                    "this again, which goes on from here"
                ) from None
            log.warning("the database failed and is tried again: %s", first_line(error))
        time.sleep(BACKOFF.pause(tries))
    raise AssertionError("it is tried until it works or the time is up")
