"""The one way in: messages of the bus and of history become what plugins have to write."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from statscache.errors import Rejected
from statscache.hosting.dispatch import Dispatch
from statscache.intake.batch import Batch
from statscache.messages.message import Message, Naming
from statscache.reasons import ReasonCounter
from statscache.spool.record import encode
from statscache.spool.segment import NotSpooled
from statscache.spool.spool import Spool

log = logging.getLogger(__name__)

#: So many messages accepted since the last cut are a reason to flush at once.
MANY = 20_000

#: A message and its record in the spool.
Accepted = tuple[Message, bytes]
#: The same by its id and whether it is a copy that may be kept back.
Fresh = Mapping[tuple[str, bool], Accepted]


class Intake:
    """Accepts messages: spools each, and hands it to every plugin. It does no work that waits for the database.

    While more is accepted and not committed than `memory` bytes, or a flush has failed, messages are only spooled;
    the flush then reads them back.

    :param dispatch: the plugins that take messages as they arrive
    :param naming: finds the users and packages that a message names
    :param memory: how many bytes of messages plugins may have taken that are not yet committed
    :param hurry: called when so much is queued that the next flush should not wait
    :param on_loss: called with the second of a message that was lost
    :param may_wait: whether a message is a bridge's copy that may be kept back; no plugin is handed it here
    :param no_room: called with a message that finds no room in the spool, and the reason, if whoever sent it keeps it
        and those after it; None if they are lost
    """

    def __init__(
        self,
        spool: Spool,
        dispatch: Dispatch,
        naming: Naming,
        memory: int,
        hurry: Callable[[], None] = lambda: None,
        on_loss: Callable[[int], None] = lambda second: None,
        no_room: Callable[[Message, str], object] | None = None,
        may_wait: Callable[[Message], bool] = lambda message: False,
    ) -> None:
        self._no_room = no_room
        self._may_wait = may_wait
        self._spool = spool
        self._dispatch = dispatch
        self._naming = naming
        self._memory = memory
        self._hurry = hurry
        self._on_loss = on_loss
        self._lock = threading.Lock()
        self._committed = spool.end
        self._batch: Batch | None = self._new_batch()
        self._full = False
        #: How many messages were accepted since the start, each time that one was.
        self.accepted = 0
        #: How many of them were not looked at again, since the same flush had them already.
        self.duplicates = 0
        #: How many were rejected since the start, by reason.
        self.rejected = ReasonCounter()
        #: How many were lost since the start, by reason.
        self.lost = ReasonCounter()
        #: When the last was lost, on the monotonic clock; minus infinity for never.
        self.lost_at = -math.inf

    def accept(self, body: dict[str, Any]) -> bool:
        """Take a message of the bus, and return True; False if it does not count, which is logged and counted.

        :param body: the message as it came over the bus: a dict with `topic`, `msg`, `timestamp` and so on
        """
        return bool(self.accept_all([body]))

    def accept_all(self, bodies: Iterable[dict[str, Any]]) -> list[Message]:
        """Take messages of the bus, as `accept` does each, and return those that count."""
        entries: list[Accepted] = []
        for body in bodies:
            try:
                entries.append((Message(body, self._naming), encode(body)))
            except Rejected as reason:
                self.reject(body, str(reason))
        with self._lock:
            return self._keep(entries) if entries else []

    def _keep(self, entries: Sequence[Accepted]) -> list[Message]:
        """Spool messages, by one write, and hand them to the plugins; return those that there was room for."""
        batch, fresh = self._batch, dict[tuple[str, bool], Accepted]()
        for entry in entries:
            message, is_copy = entry[0], self._may_wait(entry[0])
            if batch is None or not batch.has(message, is_copy):
                fresh.setdefault((message.id, is_copy), entry)
        records = b"".join([record for _, record in fresh.values()])
        try:
            position = self._spool.append(records) if records else self._spool.end
        except NotSpooled as reason:
            return self._keep_each(entries) if len(entries) > 1 else self._leave(*entries[0], str(reason))
        self.accepted += len(entries)
        self.duplicates += len(entries) - len(fresh)
        if self._batch is not None and not self._full:
            self._hand_over(self._batch, fresh, position)
        return [message for message, _ in entries]

    def _keep_each(self, entries: Sequence[Accepted]) -> list[Message]:
        """Keep messages as long as there is room, and return them."""
        kept: list[Message] = []
        for entry in entries:
            found = self._keep([entry])
            if not found and self._stays(entry[1]):
                break
            kept += found
        return kept

    def _leave(self, message: Message, record: bytes, reason: str) -> list[Message]:
        """Leave a message to those who sent it, if they keep it and there may be room for it later; else it is lost."""
        if self._no_room is not None and self._stays(record):
            self._no_room(message, reason)
        else:
            self._lose(message, reason)
        return []

    def _stays(self, record: bytes) -> bool:
        """Return whether what finds no room stays with those who sent it, and so does what comes after it."""
        return self._no_room is not None and len(record) <= self._spool.limit

    def _hand_over(self, batch: Batch, entries: Fresh, position: int) -> None:
        """Hand messages to the plugins, the first of which lies at that position in the spool."""
        before = batch.size
        for (_, is_copy), (message, record) in entries.items():
            batch.add(message, position, is_copy)
            position += len(record)
        batch.end = position
        try:
            self._dispatch.take([message for (_, is_copy), (message, _) in entries.items() if not is_copy])
        except BaseException:
            self._give_up()  # some plugins have it and some not: the flush reads it back, with all others
            raise
        self._full = position - self._committed > self._memory
        if before < MANY <= batch.size or self._full:
            self._hurry()

    @property
    def received(self) -> int:
        """How many messages came since the start."""
        return self.accepted + self.rejected.total() + self.lost.total()

    @property
    def queued(self) -> int:
        """How many messages plugins have taken since the last cut."""
        batch = self._batch
        return batch.size if batch else 0

    @property
    def position(self) -> int:
        """The position in the spool before which all lies that was accepted."""
        return self._spool.end

    def cut(self) -> Batch | None:
        """Return what plugins have taken since the last cut, all up to the same message; None if that is nothing.

        None also while messages are only spooled.
        """
        with self._lock:
            batch = self._batch
            if batch is None or not (batch.size or self._spool.loss):
                return None
            batch.taken = self._dispatch.cut()
            self._batch = None if self._full else self._new_batch()
            return batch

    def committed(self, position: int) -> None:
        """Note that the spool is committed up to that position."""
        self._committed = position

    def halt(self) -> None:
        """Forget what plugins have taken, and only spool from now on: the flush reads it all back."""
        with self._lock:
            self._give_up()

    def resume(self, position: int) -> bool:
        """Hand messages to plugins again if the flush has read all up to the end, and return whether it has."""
        with self._lock:
            if self._batch is None and position == self._spool.end:
                self._batch, self._full = self._new_batch(), False
            return self._batch is not None

    def _give_up(self) -> None:
        self._batch = None
        self._dispatch.cut()

    def _new_batch(self) -> Batch:
        return Batch(self._spool, self._naming, self._spool.end, self._spool.end)

    def reject(self, body: Mapping[str, Any], reason: str) -> None:
        """Note a message that does not count, and log it."""
        if self.rejected.add(reason):
            log.warning(
                "rejected a message, %s: topic %.200r, msg_id %.200r, timestamp %.50r; %d so far for this reason",
                reason,
                body.get("topic"),
                body.get("msg_id"),
                body.get("timestamp"),
                self.rejected.counts[reason],
            )

    def _lose(self, body: Mapping[str, Any], reason: str) -> None:
        self.lost_at = time.monotonic()
        self._on_loss(math.floor(body["timestamp"]))
        loss = self._spool.lose(body["timestamp"], reason)
        if self.lost.add(reason):
            log.critical(
                "lost a message, %s: topic %.200r, msg_id %.200r; %d so far, which go into statscache_gap",
                reason,
                body["topic"],
                body.get("msg_id"),
                loss.count,
            )
