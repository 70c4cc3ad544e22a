"""How large the tables are, how fast they grow and what would be freed, looked up for those who watch the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlalchemy import Connection, Engine

from statscache.store.disk import TableOnDisk, tables_on_disk
from statscache.store.disk_use import TableUse, transaction_time
from statscache.store.growth import Growing, growing_tables, growth_of
from statscache.upkeep.retention.freeing import would_free
from statscache.upkeep.retention.tables import Retained

#: How many seconds lie between two looks, and before the first one.
PACE_S, FIRST_S = 900.0, 60.0


def disk_use(connection: Connection, retained: Iterable[Retained] = ()) -> list[TableUse]:
    """Return what each table uses, the largest first.

    :param connection: of a role that may read some of the tables; the growth of the others is not known
    :param retained: the tables of which old rows are to be dropped
    :raises DBAPIError: if no daemon has run on the database yet
    """
    tables = tables_on_disk(connection)
    growing = {each.oid: each for each in growing_tables(connection, transaction_time(connection))}
    look = Look(connection, retained)
    return [look.at(table, growing.get(table.oid)) for table in tables]


class Look:
    """Looks at tables one by one.

    :param retained: the tables of which old rows are to be dropped
    """

    def __init__(self, connection: Connection, retained: Iterable[Retained]) -> None:
        self._connection = connection
        self._retained = {its.table.fullname: its for its in retained}

    def at(self, table: TableOnDisk, growing: Growing | None) -> TableUse:
        """Look at one.

        :param growing: the same; None where it has no windows, or no index by time
        """
        now = transaction_time(self._connection)
        growth = growth_of(self._connection, growing, now) if growing else None
        its = self._retained.get(table.name)
        return TableUse(table, growth, would_free(self._connection, its, growing) if its else None)


class MeasureDisk:
    """Looks at the size of all tables, and then at the growth of one table at a time, and what of it would be freed.

    :param retained: the tables of which old rows are to be dropped
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self, engine: Engine, retained: Iterable[Retained] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._retained = list(retained)
        self._clock = clock
        self._due = clock() + FIRST_S
        self._waiting: list[Growing] = []
        #: What was found at the last look; of a table that is still to be looked at, the estimates before that.
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
        before = {its.table.oid: its for its in self.latest}
        there = {table.oid for table in self._waiting}
        self.latest = tuple(
            replace(before[table.oid], table=table)
            if table.oid in before and table.oid in there
            else TableUse(table)
            for table in tables
        )

    def _look_at(self, table: Growing) -> None:
        with self._engine.connect() as connection:
            look = Look(connection, self._retained)
            self.latest = tuple(
                look.at(its.table, table) if its.table.oid == table.oid else its for its in self.latest
            )
