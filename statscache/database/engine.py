"""The database: connections and tables."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import sort_tables

from statscache.database.timing import time_statements
from statscache.errors import Unusable, text_of
from statscache.settings import URI, Settings

log = logging.getLogger(__name__)

OLDEST_SERVER = 14
#: The key of the advisory lock that everything which counts takes first ("statscac" as a number).
LOCK = int.from_bytes(b"statscac", "big")
#: The execution option of a connection that writes nothing which others can see, and so needs no lock.
APART = "statscache_apart"
#: So that a server that is gone, a lock that blocks or a daemon that froze never holds a flush for ever. Who waits
#: for the lock of a frozen daemon waits longer than that keeps it. What is committed leaves the spool, so a commit
#: must be on the server's disk, however else the server is set up.
SESSION = (
    "SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'; SET lock_timeout = '30s'; SET statement_timeout = '60s'; "
    "SET idle_in_transaction_session_timeout = '20s'; SET synchronous_commit = on"
)
PATIENCE = "SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = '6min'"
#: A statement that ends a transaction, and comments, behind which one can hide.
ENDING = re.compile(
    r"^\s*end\b|(^|;)\s*(commit|abort|rollback(?!\s+(work\s+|transaction\s+)?to\b)|prepare\s+transaction)\b",
    re.IGNORECASE,
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
#: The SQLSTATE of what a user has no right to do.
DENIED = "42501"
COLUMNS = text(
    "SELECT attname, format_type(atttypid, NULL), attnotnull AND NOT atthasdef AND attidentity = '' "
    "FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
#: How long in seconds a server may take to let us in.
CONNECT = 10
DRIVER_ARGUMENTS = {
    "application_name": "statscache",
    "client_encoding": "utf8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def make_engine(url: str | URL, patience: int = CONNECT, **options: Any) -> Engine:
    """Make an engine for a PostgreSQL URL; connects to nothing yet.

    :param patience: how long in seconds the server may take to let us in, if the URL does not say
    :param options: of its pool; without any it keeps two connections, and tries them before use
    """
    query = make_url(url).query
    wanted = {**DRIVER_ARGUMENTS, "connect_timeout": patience}
    arguments = {key: value for key, value in wanted.items() if key not in query}
    engine = create_engine(
        url, connect_args=arguments, **(options or {"pool_pre_ping": True, "pool_size": 2})
    )
    time_statements(engine)
    event.listen(engine, "commit", _check_guard)
    event.listen(engine, "rollback", _check_guard)
    event.listen(engine, "before_cursor_execute", _check_statement)

    set_up_sessions(engine, SESSION)
    return engine


def set_up_sessions(engine: Engine, statements: str) -> None:
    """Let each new connection of an engine begin with these statements."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statements)
        connection.commit()


def open_database(settings: Settings, patience: int = CONNECT) -> Engine:
    """Connect, waiting at most `database_wait` seconds for a server that is out of reach.

    :param patience: how long in seconds the server may take to let us in, each time
    :raises Unusable: if it stays out of reach, is older than PostgreSQL 14 or does not speak UTF-8
    """
    engine = make_engine(database_url(settings), patience)
    deadline = time.monotonic() + settings.database_wait
    while True:
        try:
            with engine.connect() as connection:
                check_server(
                    int(connection.scalar(text("SHOW server_version_num")) or 0),
                    str(connection.scalar(text("SHOW server_encoding"))),
                    settings.uri_name,
                )
            return engine
        except DBAPIError as error:
            if time.monotonic() >= deadline or not isinstance(error, OperationalError):
                raise Unusable(
                    f"the database of {settings.uri_name}, {shown_url(engine.url)}, cannot be reached "
                    f"({first_line(error)}): start it, or correct the URL"
                ) from None
        time.sleep(0.2)


def database_url(settings: Settings) -> str:
    """Return the URL of the database, having started it if it is an embedded one."""
    if settings.embedded is None:
        return settings.uri
    from statscache.database.embedded import start  # only here: it is an extra

    return start(settings.embedded, settings.uri_name)


def shown_url(url: URL) -> str:
    """Return the URL without any password, which may also stand in its query."""
    return url.difference_update_query([key for key in url.query if "password" in key]).render_as_string()


def check_server(version: int, encoding: str, uri_name: str = URI) -> None:
    """Check what the server says of itself.

    :param version: its `server_version_num`, such as 140005
    :param encoding: its `server_encoding`, that of the database
    :param uri_name: what the database's URL was read from
    :raises Unusable: if it is older than PostgreSQL 14 or does not speak UTF-8
    """
    if version // 10_000 < OLDEST_SERVER:
        raise Unusable(
            f"the server of {uri_name} is PostgreSQL {version // 10_000}: "
            f"statscache needs {OLDEST_SERVER} or newer, upgrade it"
        )
    if encoding != "UTF8":
        raise Unusable(
            f"the database of {uri_name} is encoded in {encoding}: make one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 and set it there"
        )


@contextmanager
def guarded(connection: Connection) -> Iterator[None]:
    """Let nobody commit or roll back the connection's transaction meanwhile; savepoints are as usual."""
    info = connection.info  # out of reach if the connection is lost
    info["guarded"] = True
    try:
        yield
    finally:
        info["guarded"] = False


def _check_guard(connection: Connection) -> None:
    if not connection.invalidated and connection.info.get("guarded"):
        raise RuntimeError("a plugin must not end the transaction of the flush: let it use its session alone")


def _check_statement(connection: Connection, cursor: Any, statement: str, *args: Any) -> None:
    if connection.info.get("guarded") and ENDING.search(COMMENT.sub(" ", statement)):
        _check_guard(connection)


def settle(connection: Connection) -> None:
    """Check now what a plugin has deferred to the commit, and undo what it has set for those after it.

    :raises DBAPIError: if a deferred constraint is violated
    """
    connection.exec_driver_sql(
        "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RESET ROLE; RESET ALL; " + SESSION
    )


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


def create_tables(engine: Engine, tables: Iterable[Table]) -> dict[str, list[str]]:
    """Create the tables that are missing.

    :return: for each table that its plugin cannot use, why: what differs from its model, or what its creation met
    :raises Unusable: if the database's user may create none, or the database fails
    """
    try:
        with counting(engine, patient=True) as connection:
            found = {table.fullname: _see_to(connection, table) for table in sort_tables(tables)}
    except DBAPIError as error:
        advice = "look at the server's log, and start again"
        if state_of(error) == DENIED:
            advice = "give its user the right to, as with GRANT CREATE ON SCHEMA public"
        raise Unusable(
            f"the tables cannot be created in the database of {URI} ({first_line(error)}): {advice}"
        ) from error
    return {name: lines for name, lines in found.items() if lines}


def _see_to(connection: Connection, table: Table) -> list[str]:
    """Create the table if it is missing, and return why it cannot be used."""
    try:
        with connection.begin_nested():
            table.create(connection, checkfirst=True)
            return list(differences(connection, table))
    except SQLAlchemyError as error:
        if state_of(error) == DENIED or is_database_trouble(error):
            raise
        return [f"it cannot be created: {first_line(error)}"]


def differences(connection: Connection, table: Table) -> Iterator[str]:
    """Yield what of a table in the database makes it unfit for its model."""
    there = _columns(connection, table)
    for column in table.columns:
        if column.name not in there:
            yield f"the column {column.name} is missing"
            continue
        wanted, (given, _) = _canonical(connection, column.type), there[column.name]
        if wanted != given:
            yield f"the column {column.name} is {given} instead of {wanted}"
    for name, (_, needed) in there.items():
        if needed and name not in table.columns:
            yield f"the column {name} is not the model's, and must not be empty"
    key = inspect(connection).get_pk_constraint(table.name, table.schema)["constrained_columns"]
    expected = [column.name for column in table.primary_key]
    if set(key) != set(expected):
        yield f"the primary key is ({', '.join(key)}) instead of ({', '.join(expected)})"


def _columns(connection: Connection, table: Table) -> dict[str, tuple[str, bool]]:
    """Return each column's type, by the name PostgreSQL gives it, and whether a new row must say what it holds."""
    name = connection.dialect.identifier_preparer.format_table(table)
    return {row[0]: (row[1], row[2]) for row in connection.execute(COLUMNS, {"table": name})}


def _canonical(connection: Connection, kind: Any) -> str:
    """Return a type by the name that PostgreSQL itself gives it, so that FLOAT is double precision."""
    declared = kind.compile(dialect=connection.dialect).partition(" COLLATE ")[0]
    name = connection.scalar(select(func.format_type(func.to_regtype(declared), None)))
    return str(name or declared)


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line, as the driver says it."""
    original = getattr(error, "orig", None) or error
    lines = text_of(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def may_be_the_statements(error: BaseException) -> bool:
    """Return whether a statement can make the database have this trouble again and again.

    It can take longer than it may (57014), meet a damaged index (class XX), ask in the wrong state (class 55) or
    want more than its limits allow (53400).
    """
    state = state_of(error)
    return state is not None and (state in ("57014", "53400") or state[:2] in ("55", "XX"))


def is_locked_out(error: BaseException) -> bool:
    """Return whether an error is that of a lock which others held for too long."""
    return state_of(error) == "55P03"


def is_database_trouble(error: BaseException) -> bool:
    """Return whether an error is the database's, not the fault of the statement that met it.

    True for a connection that is gone and for the SQLSTATE classes 08 (connection), 40 (deadlock and the like),
    53 (resources), 55 (locks), 57 (shutdown, time-out), 58 (system) and XX (internal) of PostgreSQL's appendix A.
    """
    if not isinstance(error, DBAPIError):
        return False
    state = state_of(error)
    if error.connection_invalidated or (state is None and isinstance(error, OperationalError)):
        return True
    return state is not None and state[:2] in ("08", "40", "53", "55", "57", "58", "XX")


def is_elsewhere(error: BaseException, connection: Connection) -> bool:
    """Return whether an error that no server has sent is about another connection than this, which is well."""
    if state_of(error) is not None or connection.invalidated:
        return False
    own: Any = connection.connection.dbapi_connection
    return not own.closed


def state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error, None if the server has not sent one."""
    return getattr(getattr(error, "orig", None), "pgcode", None)
