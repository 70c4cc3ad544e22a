"""A mark by which a session is known again, since a pooler may give a transaction another one at any time."""

from __future__ import annotations

import contextlib
import uuid

from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.exc import DBAPIError

from statscache.database.sessions import SHARED
from statscache.errors import StatscacheError

#: So many transactions are tried to find the session again.
TRIES = 20


class Mark:
    """A temporary table that each transaction of an engine looks for, once it is made.

    :param engine: has one connection
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._name = f"statscache_mark_{uuid.uuid4().hex}"
        self._made = False
        event.listen(engine, "begin", self._check)

    def make(self, connection: Connection) -> None:
        """Make it, in the transaction that makes the other temporary tables."""
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {self._name} ()")
        self._made = True

    def drop_tables(self) -> None:
        """Drop all temporary tables of the session: a pooler may keep it."""
        for _ in range(TRIES if self._made else 0):
            with contextlib.suppress(DBAPIError, StatscacheError), self._engine.begin() as connection:
                connection.exec_driver_sql("DISCARD TEMP")
                return

    def _check(self, connection: Connection) -> None:
        """Check that this is the session with the mark.

        :raises StatscacheError: if it is not
        """
        if self._made and connection.scalar(select(func.to_regclass(f"pg_temp.{self._name}"))) is None:
            raise StatscacheError(SHARED)
