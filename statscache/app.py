"""What the daemon and the commands share: the plugins, the database, and what writes to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from statscache.counting.checks import Checks
from statscache.counting.known_names import KnownNames
from statscache.counting.measures import Measures
from statscache.counting.update import PluginUpdates
from statscache.counting.writer import Writer
from statscache.database.engine import open_database
from statscache.database.trouble import first_line
from statscache.errors import HUNG, Unusable, number_of, some_of
from statscache.hosting.dispatch import Dispatch
from statscache.hosting.loader import Part, load, running
from statscache.hosting.runner import QueuedRunner, make_runner
from statscache.hosting.suspension_policy import SuspensionPolicy
from statscache.hosting.suspensions import Suspensions
from statscache.hosting.watchdog import Watch, Watchdog
from statscache.messages.logs import keep_names_out
from statscache.messages.message import Naming
from statscache.messages.naming import Meta
from statscache.messages.pseudonyms import Pseudonyms
from statscache.messages.renaming import Renaming
from statscache.plugins.in_windows import tables_of
from statscache.schema.prepare import CORE_TABLES, prepare
from statscache.settings import Settings, read_settings
from statscache.store import quarantine
from statscache.store.presence import Presence
from statscache.store.remade import times_remade
from statscache.store.revisions import check_form

log = logging.getLogger(__name__)

#: So many plugins are named when they start; `statscache plugins` lists all.
NAMED = 5


@dataclass(frozen=True)
class Seen:
    """What a process that sees to the tables has found, for others that rely on it.

    :param plugins: the idents of those that run
    :param remade: how often the table of each was made anew before it was looked at
    """

    plugins: frozenset[str]
    remade: Mapping[str, int]


class App:
    """The plugins that run, and the writer that lets them count. It has no thread and no spool.

    :param remade: how often the table of each plugin was made anew before it was looked at; None for never
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        parts: Sequence[Part],
        naming: Naming,
        suspensions: Suspensions | None = None,
        remade: Mapping[str, int] | None = None,
    ) -> None:
        #: Finds whom messages name, but for those who are forgotten.
        self.naming = naming if isinstance(naming, Renaming) else Renaming(naming, Pseudonyms())
        self.pseudonyms = self.naming.pseudonyms
        self.names = KnownNames(self.pseudonyms, settings.forget_key)
        keep_names_out(self.pseudonyms)
        runners = [make_runner(part, self.pseudonyms) for part in parts]
        queued = [runner for runner in runners if isinstance(runner, QueuedRunner)]
        self._queued = queued
        #: What does not run that should, and why.
        self.unable: Mapping[str, str] = {}
        self.settings = settings
        self.engine = engine
        self.parts = parts
        #: The plugins by ident.
        self.plugins = {part.ident: part.plugin for part in parts}
        self.suspensions = suspensions or Suspensions(engine, pseudonyms=self.pseudonyms)
        holds = self.suspensions.holds
        #: Which plugin is being called, on the thread of the intake and on that which writes.
        self.watches = Watch(), Watch()
        #: Hands messages to plugins as they come, on the intake's thread.
        self.live = Dispatch([runner.live for runner in queued], self.watches[0], holds)
        #: The same on the thread that writes.
        self.own = Dispatch([runner.own for runner in queued], self.watches[1], holds)
        policy = SuspensionPolicy(self.suspensions, settings.plugin_budget)
        measures = Measures(runner.ident for runner in runners)
        updates = PluginUpdates(policy, self.watches[1], measures)
        presence = Presence(CORE_TABLES, _keyed_tables(engine, parts))
        #: How often the table of each plugin was made anew before it was looked at.
        self.remade = remade or {}
        checks = Checks(presence, self.names, runners, policy, self.remade)
        self.writer = Writer(engine, runners, updates, self.naming, settings.ledger_keep, checks)

    @property
    def seen(self) -> Seen:
        """What another process may rely on."""
        return Seen(frozenset(self.plugins), dict(self.remade))

    def open(self) -> None:
        """Learn from the database which plugins are suspended, and who is forgotten.

        :raises Unusable: if somebody is, and the key for that is not here
        """
        with self.engine.connect() as connection:
            self.names.look(connection)
        self.suspensions.load()
        self.leave_out()

    def leave_out(self) -> None:
        """Hand no messages to those that are suspended."""
        self.live.cut()
        self.own.cut()

    def dispatch(self, plugins: frozenset[str]) -> Dispatch:
        """Return what hands messages to those of the plugins that run, on the thread that writes."""
        owns = [runner.own for runner in self._queued if runner.ident in plugins]
        return Dispatch(owns, self.watches[1], self.suspensions.holds)

    def watchdog(
        self, end: Callable[[], object] = lambda: os._exit(HUNG), stacks: Path = Path(os.devnull)
    ) -> Watchdog:
        """Return what looks for plugins that hang.

        :param end: ends the process, once the plugin is suspended
        :param stacks: where the stacks are written if not even the watchdog gets to run
        """

        def hung(plugin: str) -> None:
            try:
                self.suspensions.suspend(plugin, "it hung, see the log for where", hung=True)
            finally:
                end()

        return Watchdog(self.watches, self.settings.plugin_hang, hung, stacks)

    def retry(self, plugin: str, ids: Sequence[str]) -> int:
        """Try messages in the quarantine again at a person's word, and return how many count now.

        It does not matter when they are due, or whether the plugin is suspended.
        """
        self.suspensions.lift(plugin)
        parts = [ids[start : start + quarantine.AT_ONCE] for start in range(0, len(ids), quarantine.AT_ONCE)]
        return sum(self.writer.retry(plugin, quarantine.rows_of(plugin, part)) for part in parts)


def open_app(config: Mapping[str, Any], prepared: bool = True) -> App:
    """Read the settings, load the plugins, reach the database and see to its tables.

    :param config: the fedmsg configuration
    :param prepared: False for one that only looks, and changes nothing in a database that daemons use
    :raises Unusable: if any of it cannot be done
    """
    settings = read_settings(config)
    naming = Meta(config)
    entries = load(settings, config)
    parts = running(entries)
    engine = open_database(settings)
    log.info("users and packages: %s", naming.brief)
    unable: Mapping[str, str] = {}
    try:
        check_form(engine)
        remade = times_remade(engine)  # before the tables are looked at
        if prepared:
            ready = prepare(engine, entries, parts, settings.epoch, settings.bots, settings.keep)
            parts, unable = ready.parts, ready.unable
        log.info(
            "running %s: %s", number_of(len(parts), "plugin"), some_of([part.ident for part in parts], NAMED)
        )
        app = App(settings, engine, parts, naming, remade=remade)
        app.unable = unable
        app.open()
    except DBAPIError as error:
        raise unusable(settings, error) from error
    return app


def open_beside(config: Mapping[str, Any], seen: Seen) -> App:
    """Do the same in a process that works beside another, which has seen to the tables.

    :param seen: what that one has found
    :raises Unusable: if any of it cannot be done, or one of its plugins is not here
    """
    settings = read_settings(config)
    naming = Meta(config)
    parts = [part for part in running(load(settings, config)) if part.ident in seen.plugins]
    for ident in seen.plugins - {part.ident for part in parts}:
        raise Unusable(f"the plugin {ident} was there a moment ago and is not any more: run this again")
    engine = open_database(settings)
    try:
        app = App(settings, engine, parts, naming, remade=seen.remade)
        app.open()
    except DBAPIError as error:
        raise unusable(settings, error) from error
    return app


def _keyed_tables(engine: Engine, parts: Sequence[Part]) -> list[str]:
    """Return the tables of plugins that have a primary key, as SQL names them."""
    tables = [table for part in parts for table in tables_of(part.plugin.model) if list(table.primary_key)]
    return [engine.dialect.identifier_preparer.format_table(table) for table in tables]


def unusable(settings: Settings, error: DBAPIError) -> Unusable:
    """Return what to say of a database that fails at the start."""
    return Unusable(
        f"the database of {settings.uri_name} failed ({first_line(error)}): repair it and start again"
    )
