"""What is in spools and not committed, read back in bounded batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from statscache.bus.watermark import Watermark
from statscache.errors import Rejected
from statscache.hosting.dispatch import Dispatch
from statscache.intake.accept import MANY, Intake
from statscache.intake.batch import Batch
from statscache.intake.losses import Losses
from statscache.messages.message import Message, Naming
from statscache.spool.segment import Damage
from statscache.spool.spool import Spool
from statscache.store.continuity import Commit

log = logging.getLogger(__name__)

#: However often flushes fail, a batch can have so many messages.
FEW = 100
#: A batch ends with the message that makes it so many bytes.
BYTES = 16 << 20
#: So many messages that wait for the next flush are a burst.
BURST = 1_000


@dataclass
class Source:
    """A spool, and how far it is committed.

    :param since: what lies after that position came after this time, in seconds since 1970
    :param old: whether the ledger may not reach back to when its messages were accepted
    """

    spool: Spool
    position: int
    since: float
    old: bool = False


class Backlog:
    """Gives the next batch to be written: first what dead daemons have left, then what the intake took.

    For the flush's thread alone.

    :param lateness: how many seconds old a message may be when it comes
    :param may_wait: whether a message is a bridge's copy that may be kept back; no plugin is handed it here
    :param on_commit: called with the position up to which the daemon's own spool is committed
    """

    def __init__(
        self,
        intake: Intake,
        spool: Spool,
        dispatch: Dispatch,
        naming: Naming,
        watermark: Watermark,
        lateness: int,
        on_commit: Callable[[int], object] = lambda position: None,
        may_wait: Callable[[Message], bool] = lambda message: False,
    ) -> None:
        self._intake = intake
        self._may_wait = may_wait
        self._began = time.time()
        self._own = Source(spool, spool.end, self._began)
        self._dispatch = dispatch
        self._naming = naming
        self._watermark = watermark
        self._lateness = lateness
        self._on_commit = on_commit
        self._adopted: list[Source] = []
        self._accepted = 0
        #: How many messages the next batch that is read may have: after a failure half as many, as the flush may have
        #: taken too long, and by and by more again.
        self._many = MANY
        #: The names of the adopted spools that have been written whole and removed.
        self.finished: list[str] = []

    def adopt(self, spool: Spool, position: int, since: float, old: bool) -> None:
        """Add the spool of a dead daemon, of which all before the position is committed.

        :param since: what lies after the position came after this time, in seconds since 1970
        :param old: whether the ledger may not reach back to when its messages were accepted
        """
        log.info("adopted the spool %s with %d bytes not yet counted", spool.id, max(spool.end - position, 0))
        self._adopted.append(Source(spool, position, since, old))

    def next(self) -> Batch | None:
        """Return the next batch, None if all that was accepted is written.

        :raises SpoolUnreadable: if a spool cannot be read just now
        """
        self._began = time.time()
        self._own.spool.see_to_place()
        if self._adopted:
            return self._read(self._adopted[0])
        batch = self._next_own()
        if batch is not None:
            self._claim(batch)
        return batch

    def nothing(self) -> Batch:
        """Return a batch without messages, which covers what was heard of a quiet bus."""
        self._began = time.time()
        self._own.spool.see_to_place()
        batch = Batch(self._own.spool, self._naming, self._own.position, self._own.position)
        self._claim(batch)
        return batch

    def _claim(self, batch: Batch) -> None:
        """Note what the batch covers, which is nothing from the first message on that could not be read."""
        before = self._watermark.late_before
        batch.late = sum(second < before for second in (*batch.seconds, *batch.copies.seconds))
        end = batch.losses.start if batch.losses else batch.end
        batch.heard = self._watermark.claim(end, self._lateness)

    def _next_own(self) -> Batch | None:
        if batch := self._intake.cut():
            return batch
        if self._intake.resume(self._own.position):
            return self._intake.cut()  # a loss may be left that came while messages were only spooled
        return self._read(self._own)

    @property
    def adopted(self) -> int:
        """How many bytes of dead daemons' spools are not committed."""
        return sum(max(source.spool.end - source.position, 0) for source in tuple(self._adopted))

    @property
    def waiting(self) -> bool:
        """Whether there is more than what the intake has in hand."""
        return bool(self._adopted) or not self._intake.resume(self._own.position)

    @property
    def lull(self) -> bool:
        """Whether many messages wait of which the last came before this was asked the last time: a burst is over."""
        before, self._accepted = self._accepted, self._intake.accepted
        return before == self._accepted and self._intake.queued >= BURST

    @property
    def position(self) -> int:
        """How far the daemon's own spool is committed."""
        return self._own.position

    def written(self, batch: Batch) -> None:
        """Let go of what is committed."""
        self._many = min(self._many + self._many // 4, MANY)
        if batch.spool is self._own.spool:
            self._own.position, self._own.since = batch.end, self._began
            self._intake.committed(batch.end)
            self._watermark.committed(batch.heard)
            if batch.losses:
                self._watermark.skip(batch.losses.end)
            batch.spool.release(batch.end)
            self._on_commit(batch.end)
            return
        self._adopted[0].position = batch.end
        if batch.end >= batch.spool.end:
            self._adopted.pop(0)
            if batch.spool.leave(batch.names):
                self.finished.append(batch.spool.id)

    def failed(self, batch: Batch) -> None:
        """Give up what plugins have taken; all is read back from the spools, which meanwhile lie on the disk."""
        self._many = min(self._many, max(batch.size // 2, FEW))
        self._intake.halt()
        self._own.spool.sync()

    def take_back(self, last: Commit) -> None:
        """Count again what the database has lost.

        :param last: the last of the daemon's commits that it has
        """
        self._intake.halt()
        own = self._own
        log.critical(
            "the database went back, as after a failover or a restore: %d bytes of the spool are counted again",
            own.spool.end - max(last.position, own.spool.start),
        )
        own.position, own.since = last.position, last.at
        self._intake.committed(last.position)
        own.spool.take_back(last.position)
        self._watermark.take_back(last.claimed)
        for source in self._adopted:
            source.spool.close()  # to be adopted again from where the database has it now
        self._adopted.clear()

    def _read(self, source: Source) -> Batch:
        """Read the next messages and hand them to the plugins. The batch may be empty, at the spool's end."""
        self._dispatch.cut()  # which gives up what a reading that failed has left
        batch = Batch(source.spool, self._naming, source.position, source.spool.end, old=source.old)
        batch.losses = Losses(source.since, self._lateness)
        self._dispatch.take(self._fill(batch))
        batch.taken = self._dispatch.cut()
        return batch

    def _fill(self, batch: Batch) -> Iterator[Message]:
        """Add what lies in the spool to the batch, up to its bounds, and yield it."""
        for position, found in batch.spool.scan(batch.start, batch.end):
            if batch.size >= self._many or position - batch.start > BYTES:
                batch.end = position
                break
            if isinstance(found, Damage):
                batch.losses.add(found)
                continue
            message = self._message(batch, found)
            if message is None:
                continue
            batch.losses.before(message.second)
            is_copy = self._may_wait(message)
            if batch.has(message, is_copy):
                continue
            batch.add(message, position, is_copy)
            if not is_copy:
                yield message

    def _message(self, batch: Batch, body: dict[str, Any]) -> Message | None:
        try:
            return Message(body, self._naming)
        except Rejected as reason:
            log.error("rejected a message of the spool %s, %s: %.500r", batch.spool.id, reason, body)
            return None
