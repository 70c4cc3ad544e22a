"""Which servers will do, how connections are set up, and what is told of a database that cannot be reached."""

from __future__ import annotations

from threading import Timer
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import make_url

from statscache.database.engine import check_server, make_engine, open_database
from statscache.errors import Unusable
from statscache.settings import URI, URI_VARIABLE, Settings, read_settings
from tests.support.sql import run, scalar, url_of


@pytest.mark.parametrize("version", [90603, 100000, 130021, 139999])
def test_an_old_server_is_refused(version: int) -> None:
    """The line says which version it is and which is needed."""
    with pytest.raises(Unusable, match=rf"is PostgreSQL {version // 10000}: statscache needs 14 or newer"):
        check_server(version, "UTF8")


@pytest.mark.parametrize("version", [140000, 140005, 180001])
def test_a_newer_server_in_utf8_is_accepted(version: int) -> None:
    """From 14 on any version will do; another encoding will not."""
    check_server(version, "UTF8")
    with pytest.raises(Unusable, match="is encoded in LATIN1: create one with"):
        check_server(version, "LATIN1")


SHOWN = {
    "TimeZone": "UTC",
    "lock_timeout": "30s",
    "statement_timeout": "1min",
    "idle_in_transaction_session_timeout": "20s",
    "application_name": "statscache",
}


def test_connections_are_in_utc_and_wait_for_nothing_for_ever(database: str) -> None:
    """Every connection of the engine has its time zone and time-outs set, also after a rollback."""
    engine = make_engine(database)
    with engine.connect() as first, engine.connect() as second:
        first.rollback()
        for connection in (first, second):
            assert {name: connection.scalar(text(f"SHOW {name}")) for name in SHOWN} == SHOWN
        assert (
            second.scalar(select(text("'2024-07-01 12:00+02'::timestamptz::text")))
            == "2024-07-01 10:00:00+00"
        )
    engine.dispose()


def test_a_url_s_own_parameters_take_precedence(database: str) -> None:
    """What stands in the URL's query reaches the driver, and everything else is set as always."""
    given = {"connect_timeout": "3", "application_name": "mine", "keepalives_idle": "7"}
    engine = make_engine(url_of(make_url(database).update_query_dict(given)))
    with engine.connect() as connection:
        parameters = connection.connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]
        assert connection.scalar(text("SHOW application_name")) == "mine"
        assert connection.scalar(text("SHOW statement_timeout")) == "1min"
    engine.dispose()
    assert given.items() <= parameters.items()
    assert parameters["keepalives_interval"] == "10"
    assert parameters["tcp_user_timeout"] == "30000"


def reach(uri: str, wait: float = 0.3) -> str:
    """Try to open a database that cannot be opened, and return what the error says."""
    with pytest.raises(Unusable) as caught:
        open_database(Settings(uri, 1.0, frozenset(), frozenset(), database_wait=wait))
    assert caught.value.__suppress_context__
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg2://me:s3cret@127.0.0.1:9/nowhere",
        "postgresql+psycopg2://me@127.0.0.1:9/nowhere?password=s3cret",
        "postgresql+psycopg2://me:s3cret@/nowhere?host=/no/such/directory&sslpassword=s3cret",
        "postgresql+psycopg2://me:s3cret@127.0.0.1:9/nowhere?connect_timeout=soon",
        "postgresql+psycopg2://me:s3cret@no.such.host.invalid/nowhere",
    ],
)
def test_no_password_is_ever_told(uri: str) -> None:
    """A database that cannot be reached is named in one line, with its user and place but without its password."""
    told = reach(uri)
    assert "s3cret" not in told
    assert told.startswith("the database of statscache.sqlalchemy.uri, postgresql+psycopg2://me")
    assert "nowhere" in told


def test_what_waiting_cannot_mend_is_told_at_once() -> None:
    """A parameter that the driver does not know ends the start without the wait for the database."""
    assert 'invalid connection option "no_such_option"' in reach(
        "postgresql+psycopg2://me@127.0.0.1:9/nowhere?no_such_option=1", wait=3600
    )


def test_a_database_that_is_not_there_yet_is_waited_for(server: Engine, database: str) -> None:
    """A start goes on as soon as the database can be reached."""
    name = make_url(database).database
    run(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    assert "is not currently accepting connections" in reach(database)
    later = Timer(0.5, run, (server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    later.start()
    engine = open_database(Settings(database, 1.0, frozenset(), frozenset(), database_wait=30.0))
    later.join()
    assert scalar(engine, "SELECT current_database()") == name
    engine.dispose()


WAIT = "statscache.database.wait"
SECRET = "hunter2"
AWAY = f"postgresql://me:{SECRET}@127.0.0.1:9/d?password={SECRET}"


@pytest.mark.parametrize(
    ("config", "environ", "named"), [({URI: AWAY}, {}, URI), ({}, {URI_VARIABLE: AWAY}, URI_VARIABLE)]
)
def test_a_database_that_is_out_of_reach_is_told(
    config: dict[str, Any], environ: dict[str, str], named: str
) -> None:
    """One line names what the URL was read from, and shows the URL without its passwords."""
    with pytest.raises(Unusable) as refused:
        open_database(read_settings({WAIT: 0.01, **config}, environ))
    message = str(refused.value)
    assert message.startswith(f"the database of {named}, postgresql+psycopg2://me:***@127.0.0.1:9/d, cannot")
    assert SECRET not in message
    assert "\n" not in message
