"""The daemon: its parts put together, for a process on any bus."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.exc import DBAPIError

from statscache.app import App, open_app, unusable
from statscache.bus.interface import FEDMSG, Bus
from statscache.bus.lateness import warn_of_lateness
from statscache.bus.watermark import Watermark
from statscache.counting.away import Away
from statscache.counting.commits import Commits
from statscache.counting.flusher import Flusher
from statscache.counting.keeping import Keeping
from statscache.counting.wake import Wake
from statscache.database.engine import probe
from statscache.database.trouble import first_line
from statscache.health.parts import Parts
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.filler import Filler
from statscache.history.slice_counter import SliceCounter
from statscache.history.topics import declared
from statscache.hosting.watchdog import end_hung
from statscache.intake.accept import Intake
from statscache.intake.backlog import Backlog
from statscache.process.clocks import Clocks
from statscache.process.forks import FORKS
from statscache.spool.directory import make_spool
from statscache.store.absence import AbsenceFile, NoAbsence
from statscache.store.buses import Buses
from statscache.store.continuity import Continuity
from statscache.store.positions import database_id, forget_spools
from statscache.upkeep.adoption import AdoptSpools
from statscache.upkeep.chore import Chore
from statscache.upkeep.clearing import ClearSpool
from statscache.upkeep.coverage import CoverHeard
from statscache.upkeep.disk import MeasureDisk
from statscache.upkeep.event_pruning import PruneEvents
from statscache.upkeep.finished_spools import ForgetSpools
from statscache.upkeep.gaps import FillGaps, Gaps
from statscache.upkeep.inventory import TakeInventory
from statscache.upkeep.kept_back import FindKept, ReleaseKept
from statscache.upkeep.ledger_pruning import PruneLedger
from statscache.upkeep.notifications import WatchNotifications
from statscache.upkeep.partitions import MakePartitions
from statscache.upkeep.quarantine_retry import Due, FindDue, RetryDue
from statscache.upkeep.registration import RegisterAgain
from statscache.upkeep.removals import NoteRemovals
from statscache.upkeep.retention.chore import DropOldRows
from statscache.upkeep.retention.tables import retained
from statscache.upkeep.seldom import Seldom
from statscache.upkeep.suspensions import RefreshSuspensions
from statscache.upkeep.upkeep import Upkeep
from statscache.upkeep.verifications import TidyVerifications

log = logging.getLogger(__name__)


class Daemon:
    """Messages go in by `intake`, rows come out by `flusher`; nothing moves by itself until `start`.

    :param restart: called on the watchdog's thread when a plugin hangs, to end the process
    :param bus: hears what is committed, and what finds no room
    """

    def __init__(self, app: App, restart: Callable[[], None] = end_hung, bus: Bus | None = None) -> None:
        settings = app.settings
        self.app, self._bus = app, bus
        self.engine = app.engine
        self.writer = app.writer
        self.database = database_id(self.engine)
        self.spools = settings.spools.absolute() / self.database  # a plugin may change the directory
        FORKS.keep_private(self.spools)
        #: What was accepted and is not committed.
        self.spool = make_spool(self.spools, list(app.plugins), settings.spool_limit, settings.spool_tail)
        self.spool.forget(app.pseudonyms.number)
        self.clocks = Clocks()
        absence = AbsenceFile(self.spools, bus.queues) if bus and bus.kept else NoAbsence()
        #: What of the bus's time was heard in full. It is nothing until a bus reports.
        self.watermark = Watermark(self.clocks, absence.void)
        tail = settings.spool_tail
        self.continuity = Continuity(self.database, self.spool.id, tail, self.clocks, self.watermark.confirm)
        name = bus.name if bus else FEDMSG
        self.buses = Buses(name, settings.buses_alike, bus.queues if bus else ())
        self.keeping = Keeping(name, settings.kept_back_for)
        self.wake = Wake()
        self.intake = self._make_intake()
        self.backlog = self._make_backlog()
        self.gaps = Gaps(self.engine, self.writer.plugins, app.suspensions, self.watermark, settings.lateness)
        #: What fills gaps, if there is an archive.
        self.filler = self._make_filler()
        self.adoption = AdoptSpools(app, self.spools, self.backlog)
        self.inventory = TakeInventory(self.engine, self.writer.plugins, self.gaps.until)
        self.disk = MeasureDisk(self.engine, retained(app.parts, settings.keep))
        kept = bus.kept if bus else None
        self.away = Away(absence, kept, self.buses, self.continuity, self.watermark, self.writer.plugins)
        self.commits = Commits(self.writer, self.backlog, self.continuity, self.buses, self.keeping)
        self.upkeep = self._make_upkeep()
        look = partial(probe, self.engine, self.clocks)
        self.flusher = Flusher(self.commits, self.backlog, settings.frequency, self.upkeep, look, self.wake)
        self.watchdog = app.watchdog(restart, self.spool.stacks)

    def open(self) -> None:
        """Ask the database for its time, and take over what the spools of dead daemons hold."""
        probe(self.engine, self.clocks)
        self.continuity.begin(self.engine)
        self.buses.open(self.engine)
        self.away.resume(self.engine)
        self.keeping.look(self.engine)
        self.adoption.run()
        self.app.leave_out()

    def start(self) -> None:
        """Begin to flush, and to watch for plugins that hang."""
        warn_of_lateness(self.app.settings.lateness)
        self.flusher.start()
        self.watchdog.start()
        if self.filler:
            self.filler.start()

    def finish(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most, and let go of the database and the spool.

        :return: whether all is written; if not, the rest is in the spool for the next start
        """
        self.watchdog.stop()
        if self.filler:
            self.filler.stop()
        written = self.flusher.stop(patience)
        self.away.settle()
        if written:
            self._leave()
        return written

    @property
    def parts(self) -> Parts:
        """What health and metrics look at."""
        return Parts(
            clocks=self.clocks,
            database=self.database,
            intake=self.intake,
            spool=self.spool,
            backlog=self.backlog,
            watermark=self.watermark,
            flusher=self.flusher,
            writer=self.writer,
            suspensions=self.app.suspensions,
            watches=self.app.watches,
            unable=self.app.unable,
            inventory=self.inventory,
            disk=self.disk,
            keeping=self.keeping,
            filler=self.filler,
            bus=self._bus,
        )

    def _make_intake(self) -> Intake:
        app = self.app
        return Intake(
            self.spool,
            app.live,
            app.naming,
            app.settings.memory_limit,
            hurry=self.wake.hurry,
            on_loss=self.watermark.interrupt,
            no_room=self._bus.no_room if self._bus else None,
            may_wait=self.keeping.may_wait,
        )

    def _make_backlog(self) -> Backlog:
        app = self.app
        return Backlog(
            self.intake,
            self.spool,
            app.own,
            app.naming,
            self.watermark,
            math.ceil(app.settings.lateness),
            on_commit=self._committed,
            may_wait=self.keeping.may_wait,
        )

    def _committed(self, position: int) -> None:
        """Let the bus know that the spool is committed up to a position."""
        self.away.note()
        if self._bus:
            self._bus.committed(position)

    def _make_filler(self) -> Filler | None:
        settings = self.app.settings
        if not settings.datagrepper_endpoint:
            return None
        archive = Datagrepper(settings.datagrepper_endpoint, settings.datagrepper_connections)
        wanted, count = declared(self.app.plugins), SliceCounter(self.app).count
        return Filler(archive, self.gaps.pieces, count, self.wake.nudge, wanted)

    def _make_upkeep(self) -> Upkeep:
        engine, suspensions, settings = self.engine, self.app.suspensions, self.app.settings
        due: Due = deque()
        regular: list[Chore] = [
            RegisterAgain(engine, self.app.parts, settings.epoch),
            RefreshSuspensions(suspensions),
            NoteRemovals(engine, self.app.parts),
            TidyVerifications(engine),
            WatchNotifications(engine),
            CoverHeard(self.commits),
            self.inventory,
            self.adoption,
            ForgetSpools(engine, self.backlog),
            ClearSpool(self.app.pseudonyms, self.spool),  # after CoverHeard, which knows who is forgotten
            Seldom(PruneLedger(engine, settings.ledger_keep, self.clocks)),
            Seldom(PruneEvents(engine, self.app.parts, settings.ledger_keep, self.clocks)),
            MakePartitions(engine, self.app.parts, settings.keep),
            DropOldRows(engine, self.app.parts, settings.keep, self.clocks),
            FindDue(engine, self.writer, due),
            FindKept(engine, self.keeping),
        ]
        retry, fill = RetryDue(self.writer, suspensions, due), [FillGaps(self.filler)] if self.filler else []
        return Upkeep(regular, [retry, ReleaseKept(engine, self.writer, self.keeping), self.disk, *fill])

    def _leave(self) -> None:
        """Let go of the spool, all of which is committed."""
        try:
            if self.spool.leave(self.app.pseudonyms.number):
                forget_spools(self.engine, [self.spool.id])
        except DBAPIError as error:
            log.warning("the row of the spool %s could not be deleted: %s", self.spool.id, first_line(error))
        self.engine.dispose()


def open_daemon(
    config: Mapping[str, Any], restart: Callable[[], None] = end_hung, bus: Bus | None = None
) -> Daemon:
    """Make a daemon as the configuration has it.

    :param config: the fedmsg configuration
    :param restart: called on the watchdog's thread when a plugin hangs, to end the process
    :param bus: hears what is committed, and what finds no room
    :raises Unusable: if it cannot start
    """
    app = open_app(config)
    try:
        daemon = Daemon(app, restart, bus)
        daemon.open()
        return daemon
    except DBAPIError as error:
        raise unusable(app.settings, error) from error
