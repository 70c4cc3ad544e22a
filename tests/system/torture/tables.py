"""What a scenario's database holds."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import Engine, text

from tests.support.reference import Cells, Place
from tests.support.tables import tables_in
from tests.support.tables_of_kinds import kinds_in, pruned_in

LEDGER = "SELECT msg_id, plugins FROM statscache_ledger JOIN statscache_plugin_set ON id = plugin_set"
#: The tables of the 0.0.4 plugins, whose windows are labelled by their end.
LEGACY = {"legacy_volume_1m": 60, "legacy_volume_1d": 86400}
PICKY = "legacy_picky"
FRONT = "legacy_front"
#: How many ids or cells of what differs are shown.
SHOWN = 5


class Tables:
    """What is in the database, read once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Tables:
        self._connection = self._engine.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _rows(self, query: str) -> list[Any]:
        return list(self._connection.execute(text(query)))

    @cached_property
    def place_of(self) -> dict[str, Place]:
        """Where each plugin counts."""
        rows = self._rows("SELECT ident, tables FROM statscache_plugin")
        return {ident: "/".join([tables[0], *ident.split("/")[1:]]) for ident, tables in rows}

    @cached_property
    def ledger(self) -> dict[str, frozenset[Place]]:
        """For each message, where it is counted or set aside."""
        sets: dict[tuple[str, ...], frozenset[Place]] = {}
        for _, plugins in (rows := self._rows(LEDGER)):
            key = tuple(plugins)
            sets.setdefault(key, frozenset(self.place_of[plugin] for plugin in key))
        return {id: sets[tuple(plugins)] for id, plugins in rows}

    @cached_property
    def quarantine(self) -> set[tuple[Place, str]]:
        """What is set aside."""
        rows = self._rows("SELECT plugin, msg_id FROM statscache_quarantine")
        return {(self.place_of[plugin], id) for plugin, id in rows}

    @cached_property
    def put_off(self) -> int:
        """How many messages are set aside that their plugin has not been asked about."""
        return int(self._rows("SELECT count(*) FROM statscache_quarantine WHERE attempts = 0")[0][0])

    @cached_property
    def bodies_left(self) -> int:
        """How many bodies are kept for no reason."""
        needed = "SELECT msg_id FROM statscache_quarantine"
        query = f"SELECT count(*) FROM statscache_quarantine_body WHERE msg_id NOT IN ({needed})"
        return int(self._rows(query)[0][0])

    @cached_property
    def gap(self) -> int:
        """How many messages are known to be lost."""
        return int(self._rows("SELECT coalesce(sum(messages), 0) FROM statscache_gap")[0][0])

    @cached_property
    def covered_through(self) -> float:
        """Up to when every plugin has covered what was sent last, in seconds since 1970."""
        query = "SELECT extract(epoch FROM min(upper(covered)))::float8 FROM statscache_coverage"
        return float(self._rows(query)[0][0] or 0)

    @cached_property
    def pruned(self) -> list[tuple[str, range]]:
        """The seconds of which events may be deleted, by their table."""
        return list(pruned_in(self._connection))

    @cached_property
    def not_kept(self) -> list[tuple[str, range]]:
        """The seconds that are not kept any more, by their table."""
        query = "SELECT table_name, extract(epoch FROM lower(part))::bigint, extract(epoch FROM upper(part))::bigint "
        rows = self._rows(f"{query} FROM statscache_not_kept, unnest(times) AS part")
        return [(table, range(start, stop)) for table, start, stop in rows]

    def cells(self, legacy: bool) -> Cells:
        """Return what the plugins' tables hold."""
        cells = tables_in(self._engine) | kinds_in(self._connection)
        for table in LEGACY if legacy else ():
            rows = self._rows(f"SELECT extract(epoch FROM timestamp), volume FROM {table}")
            cells[table] = {int(start): volume for start, volume in rows}
        if legacy:
            cells[PICKY] = {"sum": self._rows(f"SELECT coalesce(sum(volume), 0) FROM {PICKY}")[0][0]}
            rows = self._rows(f"SELECT category, sum(scalar) FROM {FRONT} GROUP BY category")
            cells[FRONT] = {category: int(total) for category, total in rows}
        return cells
