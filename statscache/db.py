"""The database: connections and tables."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from statscache.errors import Unusable
from statscache.settings import URI, Settings

log = logging.getLogger(__name__)

OLDEST_SERVER = 14
#: The key of the advisory lock that everything which counts takes first ("statscac" as a number).
LOCK = int.from_bytes(b"statscac", "big")
#: So that a server that is gone, a lock that blocks or a daemon that froze never holds a flush for ever.
SESSION = (
    "SET TIME ZONE 'UTC'; SET lock_timeout = '30s'; SET statement_timeout = '60s'; "
    "SET idle_in_transaction_session_timeout = '30s'"
)
DRIVER_ARGUMENTS = {
    "application_name": "statscache",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def make_engine(url: str) -> Engine:
    """Make the process's engine for a PostgreSQL URL; connects to nothing yet."""
    query = make_url(url).query
    arguments = {key: value for key, value in DRIVER_ARGUMENTS.items() if key not in query}
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=2)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(SESSION)
        connection.commit()

    return engine


def open_database(settings: Settings) -> Engine:
    """Connect, waiting at most `database_wait` seconds for a server that is out of reach.

    :raises Unusable: if it stays out of reach, is older than PostgreSQL 14 or does not speak UTF-8
    """
    engine = make_engine(database_url(settings))
    deadline = time.monotonic() + settings.database_wait
    while True:
        try:
            with engine.connect() as connection:
                _check_server(connection, settings.uri_name)
            return engine
        except OperationalError as error:
            if time.monotonic() >= deadline:
                raise Unusable(
                    f"the database of {settings.uri_name}, {_without_passwords(engine.url)}, cannot be reached "
                    f"({first_line(error)}): start it, or correct the URL"
                ) from None
        time.sleep(0.2)


def database_url(settings: Settings) -> str:
    """Return the URL of the database, having started it if it is an embedded one."""
    if settings.embedded is None:
        return settings.uri
    from statscache.embedded import start  # only here: it is an extra

    return start(settings.embedded, settings.uri_name)


def _without_passwords(url: URL) -> str:
    """Return the URL for showing it; a password may also stand among its options."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string()


def _check_server(connection: Connection, uri_name: str) -> None:
    version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < OLDEST_SERVER:
        raise Unusable(
            f"the server of {uri_name} is PostgreSQL {version}: statscache needs {OLDEST_SERVER} or newer, upgrade it"
        )
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise Unusable(
            f"the database of {uri_name} is encoded in {encoding}: make one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 and set it there"
        )


@contextmanager
def counting(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that nobody else who counts runs at the same time."""
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        yield connection


def create_tables(engine: Engine, tables: Iterable[Table]) -> dict[str, list[str]]:
    """Create the tables that are missing.

    :return: for each table that is there and differs from its model, what differs
    :raises Unusable: if the database lets nobody create tables
    """
    tables = list(tables)
    try:
        with counting(engine) as connection:
            for table in tables:
                table.create(connection, checkfirst=True)
            found = {table.fullname: list(differences(connection, table)) for table in tables}
    except DBAPIError as error:
        raise Unusable(
            f"the tables cannot be created in the database of {URI} ({first_line(error)}): give its user the "
            "right to, as with GRANT CREATE ON SCHEMA public"
        ) from error
    return {name: lines for name, lines in found.items() if lines}


def differences(connection: Connection, table: Table) -> Iterator[str]:
    """Yield what of a table in the database makes it unfit for its model."""
    inspector = inspect(connection)
    there = {column["name"]: column for column in inspector.get_columns(table.name, table.schema)}
    for column in table.columns:
        if column.name not in there:
            yield f"the column {column.name} is missing"
            continue
        wanted, given = (_canonical(connection, kind) for kind in (column.type, there[column.name]["type"]))
        if wanted != given:
            yield f"the column {column.name} is {given} instead of {wanted}"
    for name, column_there in there.items():
        needed = not column_there["nullable"] and column_there["default"] is None
        if name not in table.columns and needed and not column_there.get("identity"):
            yield f"the column {name} is not the model's, and must not be empty"
    key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    expected = [column.name for column in table.primary_key]
    if set(key) != set(expected):
        yield f"the primary key is ({', '.join(key)}) instead of ({', '.join(expected)})"


def _canonical(connection: Connection, kind: Any) -> str:
    """Return a type by the name that PostgreSQL itself gives it, so that FLOAT is double precision."""
    declared = kind.compile(dialect=connection.dialect)
    name = connection.scalar(select(func.format_type(func.to_regtype(declared), None)))
    return str(name or declared)


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line, as the driver says it."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def is_database_trouble(error: BaseException) -> bool:
    """Return whether an error is the database's, not the fault of the statement that met it.

    True for a connection that is gone and for the SQLSTATE classes 08 (connection), 40 (deadlock and the like),
    53 (resources), 55 (locks), 57 (shutdown, time-out), 58 (system) and XX (internal) of PostgreSQL's appendix A.
    """
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "pgcode", None)
    if error.connection_invalidated or (state is None and isinstance(error, OperationalError)):
        return True
    return state is not None and state[:2] in ("08", "40", "53", "55", "57", "58", "XX")
