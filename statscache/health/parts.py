"""What health and metrics look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from statscache.bus.interface import Bus
from statscache.bus.watermark import Watermark
from statscache.counting.flusher import Flusher
from statscache.counting.keeping import Keeping
from statscache.counting.writer import Writer
from statscache.history.filler import Filler
from statscache.hosting.suspensions import Suspensions
from statscache.hosting.watchdog import Watch
from statscache.intake.accept import Intake
from statscache.intake.backlog import Backlog
from statscache.process.clocks import Clocks
from statscache.spool.spool import Spool
from statscache.upkeep.disk import MeasureDisk
from statscache.upkeep.inventory import TakeInventory


@dataclass(frozen=True)
class Parts:
    """The parts of a daemon. Each answers from any thread, and waits for nothing.

    :param database: the id of the database that it writes to
    :param watches: which plugins are being called just now
    :param unable: what does not run that should, and why
    :param filler: None without an archive
    :param bus: None without one
    """

    clocks: Clocks
    database: str
    intake: Intake
    spool: Spool
    backlog: Backlog
    watermark: Watermark
    flusher: Flusher
    writer: Writer
    suspensions: Suspensions
    watches: Sequence[Watch]
    unable: Mapping[str, str]
    inventory: TakeInventory
    disk: MeasureDisk
    keeping: Keeping
    filler: Filler | None
    bus: Bus | None

    @property
    def calls(self) -> list[tuple[str, float]]:
        """The plugins that are being called just now, and for how many seconds."""
        return [(watch.busy, watch.seconds) for watch in self.watches if watch.busy is not None]

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many messages wait in each of the broker's queues, as far as that is known."""
        return self.bus.waiting if self.bus else {}

    @property
    def spooled(self) -> int:
        """How many bytes are accepted and not committed, in spools that dead daemons have left, too."""
        return self.spool.held + self.backlog.adopted
