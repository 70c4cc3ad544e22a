"""The database: connections and tables."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from statscache.database.clock import note_clock
from statscache.database.guard import install_guard
from statscache.database.refusals import Wait
from statscache.database.round_trip import install_round_trips
from statscache.database.sessions import FORMS, set_up_transactions
from statscache.database.timing import time_statements
from statscache.database.tried import try_before_use
from statscache.errors import Unusable
from statscache.process.clocks import Clocks
from statscache.process.descriptors import RESERVE
from statscache.process.forks import FORKS
from statscache.settings import URI, Settings

log = logging.getLogger(__name__)

OLDEST_SERVER = 14
OPTION = re.compile(r'invalid connection option "\w+"')
#: How long in seconds a server may take to let us in.
CONNECT = 10
#: The setting that marks a transaction as statscache's own: nothing that it deletes has been removed by hand.
OWN = "statscache.writes"
#: So that a server that is gone, a lock that blocks or a daemon that froze never holds a flush for ever. Who waits
#: for the lock of a frozen daemon waits longer than that keeps it. What is committed leaves the spool, so a commit
#: must be on the server's disk, however else the server is set up.
SETTINGS = {
    **FORMS,
    "lock_timeout": "30s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "20s",
    "synchronous_commit": "on",
    OWN: "on",
}
DRIVER_ARGUMENTS = {
    "application_name": "statscache",
    "client_encoding": "utf8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

#: After so many seconds a connection is replaced: its session keeps the settings that its database had when it began.
RECYCLE = 600
#: Two connections are kept, and tried before use. The last one used is the next one used, so one that fails does so
#: again, which is noticed.
POOL: dict[str, Any] = {
    "pool_size": 2,
    "pool_use_lifo": True,
    "pool_recycle": RECYCLE,
}


def make_engine(
    url: str | URL, patience: int = CONNECT, temporary_last: bool = True, **options: Any
) -> Engine:
    """Make an engine for a PostgreSQL URL; connects to nothing yet.

    :param patience: how long in seconds the server may take to let us in, if the URL does not say
    :param temporary_last: whether temporary tables can hide no others; else they hide all others
    :param options: of its pool; without any it is as POOL says
    """
    query = make_url(url).query
    wanted = {**DRIVER_ARGUMENTS, "connect_timeout": patience}
    arguments = {key: value for key, value in wanted.items() if key not in query}
    engine = create_engine(url, connect_args=arguments, **(options or POOL))
    if not options:
        try_before_use(engine)
    connect_with_reserve(engine)
    time_statements(engine)
    install_guard(engine)
    install_round_trips(engine)
    set_up_transactions(engine, SETTINGS, temporary_last)
    return engine


def connect_with_reserve(engine: Engine) -> None:
    """Let an engine connect with descriptors of the reserve if there are no others. No child gets the connection."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        connection = RESERVE.opening(lambda: dialect.connect(*arguments, **options))
        FORKS.withhold(connection)
        return connection


def open_database(settings: Settings, patience: int = CONNECT) -> Engine:
    """Connect, waiting at most `database_wait` seconds for a server that is out of reach.

    :param patience: how long in seconds the server may take to let us in, each time
    :raises Unusable: if it refuses us or stays out of reach, is older than PostgreSQL 14 or does not speak UTF-8
    """
    engine = make_engine(database_url(settings), patience)
    wait = Wait(f"the database of {settings.uri_name}, {shown_url(engine.url)},", settings.database_wait)
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
            wait.go_on(error)
        time.sleep(0.2)


def database_url(settings: Settings) -> str:
    """Return the URL of the database, having started it if it is an embedded one.

    :raises Unusable: if the driver does not understand it
    """
    check_url(settings)
    if settings.embedded is None:
        return settings.uri
    from statscache.database.embedded import start  # only here: it is an extra

    return start(settings.embedded, settings.uri_name)


def probe(engine: Engine, clocks: Clocks) -> None:
    """Raise what is wrong if the database is away, and note what its clock shows."""
    with engine.connect() as connection:  # which is tried before it is given out
        note_clock(connection, clocks)


def check_url(settings: Settings) -> None:
    """Check that libpq takes all of the database's URL, whatever is at its other end.

    :raises Unusable: if it does not
    """
    fault = None if settings.embedded is not None else _fault_of(make_url(settings.uri))
    if fault is not None:
        raise Unusable(
            f"{settings.uri_name} must be a URL such as postgresql://user@host/statscache, or embedded:DIRECTORY "
            f"(PostgreSQL does not understand an option or a character of it{fault}), not the present value: "
            f"correct it in {'fedmsg.d' if settings.uri_name == URI else 'the environment'}"
        ) from None


def _fault_of(url: URL) -> str | None:
    """Return what libpq does not take of a URL, empty where that cannot be told; None if it takes all."""
    try:
        _, options = url.get_dialect()().create_connect_args(url)
        make_dsn(**options)
    except ProgrammingError as error:
        named = OPTION.search(str(error))  # nothing else of it, which may hold a password
        return f": {named[0]}" if named else ""
    except (ArgumentError, ValueError):
        return ""
    return "" if any("\0" in str(option) for option in options.values()) else None


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
            f"the database of {uri_name} is encoded in {encoding}: create one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 and name that instead"
        )
