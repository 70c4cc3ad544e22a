"""The daemon: the parts put together and their tables made, for the consumer."""

from __future__ import annotations

import logging
import math
import os
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError

from statscache.app import Program, open_program, unusable
from statscache.bus.watermark import Attendance
from statscache.counting.flusher import Flusher
from statscache.database.lock import counting
from statscache.database.trouble import first_line
from statscache.errors import HUNG
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.filler import Filler
from statscache.history.plan import Piece, to_fetch
from statscache.history.slice_counter import Historian
from statscache.hosting.watchdog import suspects
from statscache.intake.accept import Intake
from statscache.intake.backlog import Backlog
from statscache.settings import Settings
from statscache.spool.directory import adopt_spools, make_spool
from statscache.spool.spool import Spool
from statscache.store import ledger, quarantine
from statscache.store.coverage import cover
from statscache.store.inventory import Census, take_census
from statscache.store.positions import database_id, forget_spools, position_of

log = logging.getLogger(__name__)

#: How long in seconds the ledger is pruned at a stretch, while flushes wait.
STRETCH = 2.0
#: A connection that died is noticed after 90 seconds at the latest.
SURE = 100.0


class Daemon:
    """Messages go in by `intake`, rows come out by `flusher`; nothing moves by itself until `start`."""

    def __init__(self, program: Program) -> None:
        settings, engine, naming = program.settings, program.engine, program.naming
        self.program = program
        self.engine = engine
        self.writer = program.writer
        self._suspensions = program.suspensions
        self._keep = settings.ledger_keep
        self._spools = settings.spool_directory / database_id(engine)
        self._spool = make_spool(self._spools, list(program.plugins), settings.spool_limit)
        #: What of the bus's time was heard in full. It is nothing until a hub's monitor reports.
        self.attendance = Attendance(time.time)
        self.intake = Intake(
            *(self._spool, program.live, naming, settings.memory_limit),
            hurry=self._hurry,
            on_loss=self.attendance.interrupt,
        )
        self._lateness = settings.lateness
        self._backlog = Backlog(
            self.intake, self._spool, program.own, naming, self.attendance, math.ceil(settings.lateness)
        )
        self._filler = self._make_filler(settings)
        self.flusher = Flusher(
            *(self.writer, self._backlog, settings.frequency), self.keep_up, self.use_spare_time, self._probe
        )
        self._retry = deque[str]()
        self._chores = deque([self._retry_some, *([self._filler.count_one] if self._filler else [])])
        #: What was in the database when it was last looked at.
        self.census = Census()
        self._watchdog = program.watchdog(lambda: self.restart(), self._spool.stacks)
        #: Called when a plugin hangs, to end the process; a new one does without the plugin.
        self.restart: Callable[[], None] = lambda: os._exit(HUNG)

    def open(self) -> None:
        """Take over what the spools of dead daemons hold."""
        self._adopt()
        self.program.leave_out()

    def start(self) -> None:
        """Begin to flush."""
        if self._lateness < SURE:
            log.warning(
                "statscache.coverage.lateness is %.0f s: a connection that dies without a word can go unnoticed for "
                "longer, and then time is reported as complete that is not; set it to %.0f s or more",
                self._lateness,
                SURE,
            )
        self.flusher.start()
        self.watch()
        if self._filler:
            self._filler.start()

    def watch(self) -> None:
        """Begin to watch for plugins that hang."""
        self._watchdog.start()

    def keep_up(self) -> None:
        """Do what is to be done now and then: adopt spools, prune the ledger, see what is to be retried."""
        self._suspensions.refresh()
        self._take_census()
        self._adopt()
        with counting(self.engine) as connection:
            cover(connection, self.writer.plugins, self._backlog.heard)
        if finished := self._backlog.finished:
            forget_spools(self.engine, finished)
            finished.clear()
        self.prune()
        self._retry = deque(self._find_due())

    def prune(self) -> None:
        """Forget messages that were counted longer ago than the ledger is kept."""
        deadline = time.monotonic() + STRETCH
        while ledger.prune(self.engine, self._keep) == ledger.PRUNED and time.monotonic() < deadline:
            pass

    def use_spare_time(self) -> bool:
        """Count a little of what can wait, and return whether there was any."""
        self._chores.rotate()  # so that much to be retried, or what fails each time, keeps no gap waiting
        return any(chore() for chore in self._chores)

    def _find_due(self) -> list[str]:
        """Return the plugins with messages in the quarantine whose time has come."""
        with self.engine.connect() as connection:
            due = quarantine.due(connection, self.writer.plugins)
        random.shuffle(due)  # so that each gets its turn if the time is too short for all
        return due

    def _retry_some(self) -> bool:
        """Try some of the messages in the quarantine that are due, and return whether any plugin had some."""
        if not self._retry:
            return False
        plugin = self._retry.popleft()
        if not self._suspensions.holds(plugin) and self.writer.retry(plugin, quarantine.due_rows(plugin)):
            self._retry.append(plugin)
        return True

    def finish(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most, and let go of the database and the spool.

        :return: whether all is written; if not, the rest is in the spool for the next start
        """
        self._watchdog.stop()
        if self._filler:
            self._filler.stop()
        written = self.flusher.stop(patience)
        if written:
            self._leave()
        return written

    def _make_filler(self, settings: Settings) -> Filler | None:
        if not settings.datagrepper_endpoint:
            return None
        archive = Datagrepper(settings.datagrepper_endpoint, settings.datagrepper_connections)
        return Filler(archive, self.lacking, Historian(self.program).count, lambda: self.flusher.nudge())

    @property
    def spool(self) -> Spool:
        """What was accepted and is not committed."""
        return self._spool

    @property
    def spooled(self) -> int:
        """How many bytes are accepted and not committed, in spools that dead daemons have left, too."""
        return self._spool.held + self._backlog.adopted

    @property
    def filler(self) -> Filler | None:
        """What fills gaps, if there is an archive."""
        return self._filler

    def _take_census(self) -> None:
        with self.engine.connect() as connection:
            self.census = take_census(connection, self.writer.plugins, self._lacking_until())

    def _probe(self) -> None:
        """Raise what is wrong if the database is away."""
        with self.engine.connect():
            pass  # a connection is tried before it is given out

    def _lacking_until(self) -> int:
        stop = math.floor(time.time() - self._lateness)
        return stop if self.attendance.start is None else min(stop, self.attendance.start)

    def lacking(self) -> list[Piece]:
        """Return what the plugins lack that is old enough to be in an archive, newest first.

        What is to be heard on the bus, since the present connection, is not lacking.
        """
        stop = self._lacking_until()
        plugins = [plugin for plugin in self.writer.plugins if not self._suspensions.holds(plugin)]
        with self.engine.connect() as connection:
            return to_fetch(connection, plugins, None, stop)[1]

    def _leave(self) -> None:
        """Remove the spool, which is empty."""
        self._spool.remove()
        try:
            forget_spools(self.engine, [self._spool.id])
        except DBAPIError as error:
            log.warning("the row of the spool %s could not be removed: %s", self._spool.id, first_line(error))
        self.engine.dispose()

    def _adopt(self) -> None:
        for spool in adopt_spools(self._spools):
            try:
                position = position_of(self.engine, spool.id)
                self._blame(spool)
            except BaseException:
                spool.close()  # to be adopted another time
                raise
            old = spool.modified < time.time() - self._keep.total_seconds()
            self._backlog.adopt(spool, position, old)

    def _blame(self, spool: Spool) -> None:
        """Suspend the plugins that made the spool's daemon end itself."""
        if (
            stacks := spool.stacks.read_text(encoding="utf-8", errors="replace")
            if spool.stacks.exists()
            else ""
        ):
            log.critical(
                "the daemon of the spool %s ended itself, as a plugin had hung:\n%s", spool.id, stacks
            )
            for plugin in suspects(stacks, self.program.plugins):
                self._suspensions.suspend(plugin, "it hung, see the log for where", hung=True)

    def _hurry(self) -> None:
        self.flusher.hurry()


def open_daemon(config: Mapping[str, Any]) -> Daemon:
    """Make a daemon as the configuration has it.

    :param config: the fedmsg configuration
    :raises Unusable: if it cannot start
    """
    program = open_program(config)
    try:
        daemon = Daemon(program)
        daemon.open()
    except DBAPIError as error:
        raise unusable(program.settings, error) from error
    return daemon
