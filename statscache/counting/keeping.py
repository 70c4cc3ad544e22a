"""Keeping back the copies that bridges make until their originals come, so that the time of these decides."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import Connection, Engine, select

from statscache.bus.bridges import original_bus
from statscache.bus.interface import AMQP, FEDMSG
from statscache.intake.batch import Batch, OldBatch
from statscache.messages.message import Message, Naming
from statscache.span import Span
from statscache.store import kept_back, ledger
from statscache.store.buses import BusRow
from statscache.store.coverage import of_covered

#: The copies whose time is over are looked for this often at most, in seconds.
PACE = 1.0


class Keeping:
    """Which copies a daemon keeps back, and for how long. For the flush's thread, but for `may_wait`.

    :param bus: the one that the daemon listens to
    :param wait: for how many seconds; 0 for not at all
    :param clock: gives seconds, and never goes back
    """

    def __init__(self, bus: str, wait: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._other = AMQP if bus == FEDMSG else FEDMSG
        self._wait = wait
        self._clock = clock
        self._active = False
        self._due: float | None = None
        #: How many copies were kept back when it was last looked, by all daemons together.
        self.number = 0

    def look(self, engine: Engine) -> bool:
        """Look whether the other bus is listened to, and when the next copy is to count; return whether one is now."""
        with engine.connect() as connection:
            self._active = self._wait > 0 and self._other in _known(connection)
            self.number, seconds = kept_back.waiting(connection)
        over = seconds is not None and seconds <= 0
        self._due = None if seconds is None else self._clock() + (0.0 if over else max(seconds, PACE))
        return over

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._due is not None and self._clock() >= self._due

    def may_wait(self, message: Message) -> bool:
        """Return whether a message may be kept back. From any thread."""
        return self._active and original_bus(message) is not None

    def limit(self, connection: Connection, batch: Batch) -> Span | None:
        """Return what a batch may cover: nothing from the first copy on that is kept back, or may be with this batch.

        The rest is claimed again once the copy counts.
        """
        heard = batch.heard
        if heard is None or not (self._active or self._due is not None):
            return heard
        found = kept_back.earliest(connection)
        stop = min([heard.stop, *batch.copies.seconds, *([] if found is None else [found])])
        return Span(heard.start, stop) if heard.start < stop else None

    def keep(self, connection: Connection, batch: Batch, plugins: frozenset[str]) -> Batch:
        """Keep copies of a batch back, and return those that count at once.

        These are copies that some plugin has counted, or another copy of them: for others the time by which it counts
        decides. So are those of a time that is complete already, which may lack no message, and those of a time that
        the ledger may not reach back to.

        :param plugins: those that are to count them
        """
        ids = batch.copies.refs.keys() - batch.refs.keys()
        fresh = self._fresh(connection, batch.copies.only(ids), plugins) if ids and self._wait else []
        if fresh:
            number = ledger.set_of(connection, plugins)
            kept_back.keep(connection, batch.copies.messages(fresh), number, self._wait)
            due = self._clock() + self._wait
            self._due = due if self._due is None else min(self._due, due)
        return batch.copies.only(ids.difference(fresh))

    def _fresh(self, connection: Connection, copies: Batch, plugins: frozenset[str]) -> list[str]:
        """Return the ids of the copies that are to be kept back, sorted."""
        if copies.old or self._other not in _known(connection):
            return []
        known = ledger.seconds_of(connection, copies.refs)
        complete = of_covered(connection, plugins, copies.seconds)
        refs = zip(copies.refs, copies.seconds, strict=True)
        return sorted(id for id, second in refs if id not in known and second not in complete)


def released(connection: Connection, naming: Naming, here: frozenset[str]) -> dict[frozenset[str], OldBatch]:
    """Take copies whose time is over, to be counted in the same transaction.

    :param here: the plugins that run
    :return: what plugins that are to count the same have to count
    """
    kept_back.drop_counted(connection)
    batches: defaultdict[frozenset[str], OldBatch] = defaultdict(lambda: OldBatch(naming))
    for copy in kept_back.take(connection, naming, here):
        batches[copy.plugins].add(copy.message)
    return batches


def _known(connection: Connection) -> set[str]:
    """Return the buses that are listened to."""
    return {bus.partition("/")[0] for bus in connection.scalars(select(BusRow.bus))}
