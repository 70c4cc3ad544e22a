"""All of the daemon but the bus: it is put together here, for the hub and for the command."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Table

from statscache.db import create_tables, first_line, open_database
from statscache.errors import Unusable
from statscache.flush import Flusher
from statscache.intake import Intake
from statscache.loader import Entry, Part, load, running
from statscache.meta import Meta
from statscache.plugins import Base
from statscache.registry import PluginRow, register
from statscache.runner import make_runner
from statscache.settings import read_settings

log = logging.getLogger(__name__)

CORE_TABLES = (PluginRow.__tablename__,)


class Daemon:
    """Messages go in by `intake`, rows come out by `flusher`; nothing moves until the flusher is started."""

    def __init__(self, engine: Engine, parts: Sequence[Part], naming: Meta, frequency: float) -> None:
        runners = [make_runner(part) for part in parts]
        self.engine = engine
        self.intake = Intake(runners, naming, self._hurry)
        self.flusher = Flusher(engine, self.intake, runners, frequency)

    def _hurry(self) -> None:
        self.flusher.hurry()

    def write_all(self, patience: float) -> bool:
        """Write what is queued, trying for `patience` seconds; return whether all is written."""
        deadline = time.monotonic() + patience
        while True:
            try:
                left = self.flusher.flush(even_paused=True)
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again and told
                log.error("what is queued could not be written: %s", first_line(error))
                left = -1
            if left == 0 or time.monotonic() >= deadline:
                return left == 0
            time.sleep(0.2)

    def finish(self, patience: float) -> bool:
        """Stop the timer, write what is queued as `write_all` does, and let go of the database."""
        self.flusher.stop()
        try:
            return self.write_all(patience)
        finally:
            self.engine.dispose()


def open_daemon(config: Mapping[str, Any]) -> Daemon:
    """Read the settings, load the plugins, reach the database and see to its tables.

    :param config: the fedmsg configuration
    :raises Unusable: if any of it cannot be done
    """
    settings = read_settings(config)
    naming = Meta(config)
    entries = load(settings, config)
    parts = running(entries)
    engine = open_database(settings)
    parts = _fitting(parts, create_tables(engine, _tables(entries, parts)))
    register(engine, parts)
    log.info("users and packages: %s", naming)
    log.info("%d plugins run: %s", len(parts), ", ".join(part.ident for part in parts))
    return Daemon(engine, parts, naming, settings.frequency)


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
