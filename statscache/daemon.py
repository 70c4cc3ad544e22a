"""All of the daemon but the bus: it is put together here, for the hub and for the command."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Table
from sqlalchemy.exc import DBAPIError

from statscache import ledger, quarantine
from statscache.attendance import Attendance
from statscache.backlog import Backlog
from statscache.coverage import GapRow
from statscache.db import create_tables, first_line, open_database
from statscache.errors import Unusable
from statscache.flush import Flusher
from statscache.intake import Intake
from statscache.judge import Judge
from statscache.ledger import LedgerRow, PluginSet
from statscache.loader import Entry, Part, load, running
from statscache.message import Naming
from statscache.meta import Meta
from statscache.plugins import Base
from statscache.progress import DatabaseRow, SpoolRow, database_id, forget_spools, position_of
from statscache.quarantine import Body, QuarantineRow
from statscache.registry import PluginRow, register
from statscache.runner import QueuedRunner, Takers, make_runner
from statscache.settings import Settings, read_settings
from statscache.spool import Spool, adopt_spools, make_spool
from statscache.suspension import SuspensionRow, Suspensions
from statscache.watchdog import Watch, Watchdog, suspects
from statscache.writer import Writer

log = logging.getLogger(__name__)

#: How long in seconds the ledger is pruned at a stretch, or the quarantine retried, while flushes wait.
STRETCH = 2.0
#: The exit code of a daemon in which a plugin hangs, where nothing restarts it.
HUNG = 70
CORE_TABLES = {
    row.__tablename__
    for row in (
        *(PluginRow, DatabaseRow, SpoolRow, PluginSet, LedgerRow),
        *(Body, QuarantineRow, SuspensionRow, GapRow),
    )
}


class Daemon:
    """Messages go in by `intake`, rows come out by `flusher`; nothing moves by itself until `start`."""

    def __init__(self, settings: Settings, engine: Engine, parts: Sequence[Part], naming: Naming) -> None:
        runners = [make_runner(part) for part in parts]
        queued = [runner for runner in runners if isinstance(runner, QueuedRunner)]
        watches = Watch(), Watch()
        self._suspensions = Suspensions(engine)
        holds = self._suspensions.holds
        self._takers = (
            Takers([runner.live for runner in queued], watches[0], holds),
            Takers([runner.own for runner in queued], watches[1], holds),
        )
        self.engine = engine
        self._keep = settings.ledger_keep
        self._spools = settings.spool_directory / database_id(engine)
        self._spool = make_spool(self._spools, [part.ident for part in parts], settings.spool_limit)
        #: What of the bus's time was heard in full. It is nothing until a hub's monitor reports.
        self.attendance = Attendance(time.time)
        self.intake = Intake(
            *(self._spool, self._takers[0], naming, settings.memory_limit),
            hurry=self._hurry,
            on_loss=self.attendance.interrupt,
        )
        self._backlog = Backlog(self.intake, self._spool, self._takers[1], naming)
        self.writer = Writer(
            engine, runners, Judge(self._suspensions, settings.plugin_budget), naming, watches[1]
        )
        self.flusher = Flusher(self.writer, self._backlog, settings.frequency, self.keep_up)
        self._watchdog = Watchdog(watches, settings.plugin_hang, self._on_hang, self._spool.stacks)
        self._plugins = {part.ident: part.plugin for part in parts}
        #: Called when a plugin hangs, to end the process; a new one does without the plugin.
        self.restart: Callable[[], None] = lambda: os._exit(HUNG)

    def open(self, adopt: bool = True) -> None:
        """Take over what the database and, if wanted, the spools of dead daemons hold."""
        self._suspensions.load()
        if adopt:
            self._adopt()
        for takers in self._takers:
            takers.cut()  # from now on without those that are suspended

    def start(self) -> None:
        """Begin to flush."""
        self.flusher.start()
        self.watch()

    def watch(self) -> None:
        """Begin to watch for plugins that hang."""
        self._watchdog.start()

    def keep_up(self) -> None:
        """Do what is to be done now and then: adopt spools, prune the ledger, retry the quarantine."""
        self._suspensions.refresh()
        self._adopt()
        if finished := self._backlog.finished:
            forget_spools(self.engine, finished)
            finished.clear()
        self.prune()
        self.retry_due()

    def prune(self) -> None:
        """Forget messages that were counted longer ago than the ledger is kept."""
        deadline = time.monotonic() + STRETCH
        while ledger.prune(self.engine, self._keep) == ledger.PRUNED and time.monotonic() < deadline:
            pass

    def retry_due(self) -> None:
        """Try the messages in the quarantine again whose time has come."""
        with self.engine.connect() as connection:
            due = quarantine.due(connection, self.writer.plugins)
        random.shuffle(due)  # so that each gets its turn if the time is too short for all
        deadline = time.monotonic() + STRETCH
        for plugin in due:
            while not self._suspensions.holds(plugin) and time.monotonic() < deadline:
                if not self.writer.retry(plugin, quarantine.due_rows(plugin)):
                    break

    def retry(self, plugin: str, ids: Sequence[str]) -> int:
        """Try messages in the quarantine again at a person's word, and return how many count now.

        It does not matter when they are due, or whether the plugin is suspended.
        """
        self._suspensions.lift(plugin)
        parts = [ids[start : start + quarantine.AT_ONCE] for start in range(0, len(ids), quarantine.AT_ONCE)]
        return sum(self.writer.retry(plugin, quarantine.rows_of(plugin, part)) for part in parts)

    def finish(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most, and let go of the database and the spool.

        :return: whether all is written; if not, the rest is in the spool for the next start
        """
        self._watchdog.stop()
        written = self.flusher.stop(patience)
        if written:
            self._leave()
        return written

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
            self._backlog.adopt(spool, position)

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
            for plugin in suspects(stacks, self._plugins):
                self._suspensions.suspend(plugin, "it hung, see the log for where", hung=True)

    def _hurry(self) -> None:
        self.flusher.hurry()

    def _on_hang(self, plugin: str) -> None:
        try:
            self._suspensions.suspend(plugin, "it hung, see the log for where", hung=True)
        finally:
            self.restart()


def open_daemon(config: Mapping[str, Any], adopt: bool = True) -> Daemon:
    """Read the settings, load the plugins, reach the database and see to its tables.

    :param config: the fedmsg configuration
    :param adopt: whether to count what dead daemons have left in their spools
    :raises Unusable: if any of it cannot be done
    """
    settings = read_settings(config)
    naming = Meta(config)
    entries = load(settings, config)
    parts = running(entries)
    engine = open_database(settings)
    parts = _fitting(parts, create_tables(engine, _tables(entries, parts)))
    log.info("users and packages: %s", naming)
    log.info("%d plugins run: %s", len(parts), ", ".join(part.ident for part in parts))
    try:
        register(engine, parts)
        daemon = Daemon(settings, engine, parts, naming)
        daemon.open(adopt)
    except DBAPIError as error:
        raise Unusable(
            f"the database of {settings.uri_name} fails ({first_line(error)}): see to it, and start again"
        ) from error
    return daemon


def table_of(part: Part) -> Table | None:
    """Return the table of a plugin's model."""
    return getattr(part.plugin.model, "__table__", None)


def _tables(entries: Sequence[Entry], parts: Sequence[Part]) -> list[Table]:
    """Return the tables to be there: all that are declared, without those of plugins that do not run."""
    models = [plugin.model for entry in entries for plugin in entry.plugins if not entry.on]
    off = {getattr(model, "__table__", None) for model in models}
    used = [table for part in parts if (table := table_of(part)) is not None]
    declared = [table for table in Base.metadata.sorted_tables if table not in off]
    return list(dict.fromkeys([*declared, *used]))


def _fitting(parts: Sequence[Part], differing: Mapping[str, Sequence[str]]) -> list[Part]:
    """Return the plugins whose tables are as their models say.

    :raises Unusable: if a table of statscache itself differs, or all plugins' do
    """
    for name in CORE_TABLES:
        if name in differing:
            raise Unusable(
                f"the table {name} is not the one this version of statscache writes "
                f"({'; '.join(differing[name])}): rename it away, or set another database"
            )
    fitting = []
    for part in parts:
        table = table_of(part)
        if table is not None and table.fullname in differing:
            log.error(
                "%s is disabled: its table %s is not what its model says (%s); rename the table or change it",
                part.ident,
                table.fullname,
                "; ".join(differing[table.fullname]),
            )
        else:
            fitting.append(part)
    if not fitting:
        raise Unusable("no plugin can run: none of their tables is what its model says, see the log for each")
    return fitting
