"""Statements sent to a datanommer database over its driver."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable
from sqlalchemy.engine import make_url

from statscache.database.sessions import in_transaction

#: A server that does not answer, or a lock that somebody holds, ends in an error. Nothing is ever written.
SETTINGS = {
    "TimeZone": "UTC",
    "lock_timeout": "30s",
    "statement_timeout": "300s",
    "idle_in_transaction_session_timeout": "60s",
}
DIALECT = make_url("postgresql+psycopg2://").get_dialect()()


def begin(connection: Any) -> None:
    """Begin a transaction, with settings that end with it."""
    with connection.cursor() as cursor:
        cursor.execute(in_transaction(SETTINGS))


def execute(cursor: Any, statement: Executable, before: str = "") -> None:
    """Execute a statement.

    :param before: what the server is to do with it instead, as in ``EXPLAIN``
    """
    compiled = statement.compile(dialect=DIALECT)  # type: ignore[attr-defined]  # all that are used here can
    cursor.execute(before + compiled.string, compiled.params)


def fetch(connection: Any, statement: Executable) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        execute(cursor, statement)
        return list(cursor.fetchall())
