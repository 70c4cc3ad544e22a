"""How large the tables are and how fast they grow, looked up for those who watch the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine

from statscache.store.disk import tables_on_disk
from statscache.store.disk_use import TableUse, transaction_time
from statscache.store.growth import Growing, Growth, growing_tables, growth_of

#: How many seconds lie between two looks, and before the first one.
PACE_S, FIRST_S = 900.0, 60.0


class MeasureDisk:
    """Looks at the size of all tables, and then at the growth of one table at a time.

    :param clock: gives seconds, and never goes back
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._due = clock() + FIRST_S
        self._waiting: list[Growing] = []
        self._growth: dict[int, Growth] = {}
        #: What was found at the last look; of a table that is still to be looked at, the growth before that.
        self.latest: tuple[TableUse, ...] = ()

    def run(self) -> bool:
        """Look at one more thing, if it is time, and return whether there is more."""
        if self._waiting:
            self._look_at(self._waiting.pop())
        elif self._clock() >= self._due:
            self._due = self._clock() + PACE_S
            self._begin()
        return bool(self._waiting)

    def _begin(self) -> None:
        with self._engine.connect() as connection:
            tables = tables_on_disk(connection)
            self._waiting = growing_tables(connection, transaction_time(connection))
        there = {table.oid for table in self._waiting}
        self._growth = {oid: growth for oid, growth in self._growth.items() if oid in there}
        self.latest = tuple(TableUse(table, self._growth.get(table.oid)) for table in tables)

    def _look_at(self, table: Growing) -> None:
        with self._engine.connect() as connection:
            self._growth[table.oid] = growth_of(connection, table, transaction_time(connection))
        self.latest = tuple(TableUse(its.table, self._growth.get(its.table.oid)) for its in self.latest)
