"""The one way in: messages of the bus and of history become what plugins have to write."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from statscache.errors import Rejected
from statscache.message import Message, Naming
from statscache.runner import Runner
from statscache.tally import Tally

log = logging.getLogger(__name__)

#: So many messages accepted since the last cut are a reason to flush at once.
MANY = 20_000


class Intake:
    """Accepts messages and hands each to every plugin. It does no work that waits for anything.

    :param naming: who tells the users and packages of a message
    :param hurry: called when so much is queued that the next flush should not wait
    """

    def __init__(
        self, runners: Sequence[Runner], naming: Naming, hurry: Callable[[], None] = lambda: None
    ) -> None:
        self._runners = runners
        self._naming = naming
        self._hurry = hurry
        self._lock = threading.Lock()
        self._uncut = 0
        #: How many messages were accepted since the start.
        self.accepted = 0
        #: How many were rejected since the start, by reason.
        self.rejected = Tally()

    def accept(self, body: Mapping[str, Any]) -> bool:
        """Hand a message to every plugin, and return True; False if it has no usable topic or timestamp.

        :param body: the message as it came over the bus: a dict with `topic`, `msg`, `timestamp` and so on
        """
        try:
            message = Message(body, self._naming)
        except Rejected as reason:
            self._reject(body, str(reason))
            return False
        with self._lock:
            for runner in self._runners:
                runner.take(message)
            self.accepted += 1
            self._uncut += 1
            full = self._uncut == MANY
        if full:
            self._hurry()
        return True

    def cut(self) -> None:
        """Let all that was accepted so far, by every plugin up to the same message, be part of the next flush."""
        with self._lock:
            for runner in self._runners:
                runner.cut()
            self._uncut = 0

    def _reject(self, body: Mapping[str, Any], reason: str) -> None:
        if self.rejected.add(reason):
            log.warning(
                "rejected a message, %s: topic %.200r, msg_id %.200r, timestamp %.50r; %d so far for this reason",
                reason,
                body.get("topic"),
                body.get("msg_id"),
                body.get("timestamp"),
                self.rejected.counts[reason],
            )
