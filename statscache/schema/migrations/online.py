"""What a revision does to a large table while others write to it: in batches, and with locks that keep nobody waiting.

Each of these can be killed anywhere and done again: it goes on with what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, NullPool, text

from statscache.database.engine import make_engine
from statscache.schema.migrations.locking import beside
from statscache.schema.objects import home_of, quoted

#: A batch is of so many pages of a table at first, and at most; more or fewer so that it takes about that many seconds.
PAGES, MOST_PAGES, BATCH_S = 64, 4096, 0.3
#: Statements that lock nobody out may take as long as they take, and wait as long.
PATIENT = "SET lock_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
SIZE = text("SELECT pg_relation_size(to_regclass(:table)) / current_setting('block_size')::int")
IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")
Tell = Callable[[str], None]


class Online:
    """Changes tables of the schema in which statscache's own are.

    :param tell: hears how far it is
    """

    def __init__(self, engine: Engine, tell: Tell = lambda line: None) -> None:
        self._engine = engine
        self._tell = tell

    def quick(self, *statements: str) -> None:
        """Run statements in one transaction, each of which waits a moment for its lock, or try again.

        :raises Busy: if others hold the table for minutes
        """

        def work(connection: Connection) -> None:
            for statement in statements:
                _run(connection, statement)

        beside(self._engine, work)

    def index(self, name: str, on: str) -> None:
        """Create an index that is missing, or was broken off; others write meanwhile.

        :param on: the table and what follows it, as in ``statscache_gap (first)``
        """
        with self._engine.connect() as connection:
            home = quoted(home_of(connection))
            valid = connection.scalar(IS_VALID, {"index": f"{home}.{quoted(name)}"})
        if valid is False:
            self.patient(f"DROP INDEX CONCURRENTLY IF EXISTS {home}.{quoted(name)}")
        if not valid:
            self.patient(f"CREATE INDEX CONCURRENTLY {quoted(name)} ON {home}.{on}")

    def patient(self, statement: str) -> None:
        """Run a statement that keeps nobody from writing, such as VALIDATE CONSTRAINT, however long it takes.

        It has a connection of its own, as it is not for transactions, and what is set for it would stay.
        """
        alone = make_engine(self._engine.url, poolclass=NullPool)
        with alone.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(PATIENT)
            _run(connection, statement)

    def rows(self, table: str, change: str, todo: str) -> None:
        """Change the rows of a table that are to be changed, some pages at a time, until there are none.

        A row that others hold is left for later: so nobody waits for another in a circle.

        :param change: what follows SET, as in ``length = stop - start``
        :param todo: whether a row is to be changed, which it is not any more once it was
        """
        while self._pass(table, change, todo):
            time.sleep(0.05)

    def _pass(self, table: str, change: str, todo: str) -> int:
        """Go through the table once, and return how many rows are changed or left for later."""
        done = left = start = 0
        pages = PAGES
        with self._engine.connect() as connection:
            end = int(connection.scalar(SIZE, {"table": table}) or 0)
        while start < end:
            began = time.monotonic()
            changed, skipped = self._batch(table, change, f"({todo}) AND {_within(start, start + pages)}")
            done, left, start = done + changed, left + skipped, start + pages
            took = time.monotonic() - began
            pages = max(1, min(MOST_PAGES, int(pages * max(0.25, min(2.0, BATCH_S / max(took, 0.001))))))
        if done:
            self._tell(f"{table}: {done} rows are done")
        return done + left

    def _batch(self, table: str, change: str, which: str) -> tuple[int, int]:
        """Change some rows, and return how many are changed, and how many are held by others."""
        found = [0, 0]
        free = f"SELECT ctid FROM {table} WHERE {which} FOR UPDATE SKIP LOCKED"

        def work(connection: Connection) -> None:
            changed = _run(
                connection, f"UPDATE {table} SET {change} WHERE ctid = ANY (ARRAY({free}))"
            ).rowcount
            found[:] = changed, _run(connection, f"SELECT count(*) FROM {table} WHERE {which}").scalar_one()

        beside(self._engine, work)
        return found[0], found[1]


def _within(start: int, stop: int) -> str:
    """Return whether a row is in some pages of its table."""
    return f"ctid >= '({start},0)'::tid AND ctid < '({stop},0)'::tid"


def _run(connection: Connection, statement: str) -> CursorResult[Any]:
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
