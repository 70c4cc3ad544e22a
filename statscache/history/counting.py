"""Lets plugins count messages of the past."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from statscache.batch import OldBatch
from statscache.errors import Rejected
from statscache.history import Slice
from statscache.message import Message
from statscache.program import Program
from statscache.runner import Takers
from statscache.tally import Tally

log = logging.getLogger(__name__)

Body = dict[str, Any]


class Historian:
    """Hands messages of archives to plugins and has them written. For the thread that writes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        #: How many messages of archives do not count, by reason.
        self.rejected = Tally()

    def count(self, found: Slice, plugins: frozenset[str]) -> int:
        """Count a slice for those of the plugins that have counted nothing of it, and return its messages' number.

        Plugins that are suspended are left out: for them it stays a gap.

        :raises Exception: if the transaction failed, whatever made it; then nothing is counted
        """
        plugins = frozenset(plugin for plugin in plugins if not self._program.suspensions.holds(plugin))
        batch = OldBatch(self._program.naming)
        messages = (message for message in map(self._message, found.bodies) if message)
        self._take(batch, (m for m in messages if m.second in found.span), self._program.takers(plugins))
        if plugins:
            self._program.writer.write_slice(batch, found.span, plugins)
        return len(batch.refs)

    def count_loose(self, bodies: Iterable[Body], on_rejected: Callable[[Body, str], None]) -> int:
        """Count messages that are not all of any time, and return how many there were.

        :param on_rejected: called for each that does not count
        :raises Exception: if the transaction failed, whatever made it; then nothing is counted
        """
        batch = OldBatch(self._program.naming)

        def messages() -> Iterable[Message]:
            for body in bodies:
                try:
                    yield Message(body, self._program.naming)
                except Rejected as reason:
                    on_rejected(body, str(reason))

        self._take(batch, messages(), self._program.own)
        if batch.refs:
            self._program.writer.write_loose(batch)
        return len(batch.refs)

    def _message(self, body: Body) -> Message | None:
        try:
            return Message(body, self._program.naming)
        except Rejected as reason:
            if self.rejected.add(str(reason)):
                log.warning("a message of an archive does not count, %s: %.200r", reason, body)
            return None

    @staticmethod
    def _take(batch: OldBatch, messages: Iterable[Message], takers: Takers) -> None:
        takers.cut()  # which gives up what an attempt that failed has left
        for message in messages:
            if message.id not in batch.refs:
                batch.add(message)
                takers.take(message)
        batch.taken = takers.cut()
