"""The advisory lock that everything which counts takes first.

What counts new messages takes it shared, so that daemons do so side by side; whatever else counts, and whatever changes
tables, takes it alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import Error
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Engine, RootTransaction, func, select, text
from sqlalchemy.exc import DBAPIError

from statscache.database.sessions import EXPLICIT, Opening
from statscache.database.tried import untried
from statscache.errors import StatscacheError

#: The key of the advisory lock that everything which counts takes first ("statscac" as a number).
LOCK = int.from_bytes(b"statscac", "big")
#: Takes it shared, as part of the first statements of a transaction.
SHARE = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
#: The execution option of a connection that writes nothing which others can see, and so needs no lock.
APART = "statscache_apart"
#: The first half of the keys of the locks of tables ("stat" as a number).
TABLES = int.from_bytes(b"stat", "big")
LOCK_TABLES = text(
    "SELECT CASE WHEN is_alone THEN pg_advisory_xact_lock(:tables, hashtext(name)) "
    "ELSE pg_advisory_xact_lock_shared(:tables, hashtext(name)) END "
    "FROM unnest(CAST(:names AS text[]), CAST(:alone AS boolean[])) AS given (name, is_alone)"
)
PATIENCE = "SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = '6min'"


@contextmanager
def counting(engine: Engine, patient: bool = False) -> Iterator[Connection]:
    """Give a connection in a transaction that nobody else who counts runs at the same time.

    :param patient: whether to wait for minutes, as a start should while another daemon is at work
    """
    with engine.begin() as connection:
        if patient:
            connection.exec_driver_sql(PATIENCE)
        if not connection.get_execution_options().get(APART):
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        yield connection


class MustBeAlone(StatscacheError):
    """What is to be written needs the lock alone, and it is shared."""


@contextmanager
def counting_shared(engine: Engine, question: str = "SELECT") -> Iterator[Connection]:
    """Give a connection in a transaction that others may run at the same time if they count in this way, too.

    The caller sends the COMMIT, as a `RoundTrip` does; without it all is rolled back.

    :param question: a SELECT of one row; its answer is the connection's `info[ANSWER]`
    """
    transaction = _begun(engine.execution_options(**{EXPLICIT: Opening(SHARE, question)}))
    with transaction.connection as connection:
        try:
            with transaction:
                yield connection
        finally:
            _end(connection)


def _begun(engine: Engine) -> RootTransaction:
    """Return a transaction that has taken the lock; a connection that was lost while idle is replaced."""
    with untried():
        connection = engine.connect()
    try:
        return _begin(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return _begin(engine.connect())


def _begin(connection: Connection) -> RootTransaction:
    try:
        # Not by an isolation level of SQLAlchemy, which costs a statement to put back.
        _driver(connection).autocommit = True
        return connection.begin()
    except BaseException:
        _end(connection)
        connection.close()
        raise


def lock_tables(connection: Connection, alone: Collection[str], shared: Collection[str]) -> None:
    """Lock tables against others who do so, until the end of a transaction, all in one order.

    :param alone: those that nobody else may lock meanwhile
    :param shared: those that others may lock in the same way
    """
    names = sorted({*alone, *shared})
    given = {"tables": TABLES, "names": names, "alone": [name in alone for name in names]}
    connection.execute(LOCK_TABLES, given)


def must_be_alone(connection: Connection, why: str) -> None:
    """Check that the transaction of a connection has the lock alone.

    :raises MustBeAlone: if it is shared
    """
    if connection.get_execution_options().get(EXPLICIT):
        raise MustBeAlone(why)


def _end(connection: Connection) -> None:
    """Roll back a transaction that is not over, of which the driver knows nothing, and let it begin the next one."""
    if connection.invalidated or connection.closed or (driver := _driver(connection)).closed:
        return
    try:
        if driver.info.transaction_status != TRANSACTION_STATUS_IDLE:
            with driver.cursor() as cursor:
                cursor.execute("ROLLBACK")
        driver.autocommit = False
    except Error:
        connection.invalidate()


def _driver(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection
