"""The API's database: away, broken off, empty or locked; and never changed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import InternalError

from statscache.web.database import make_reader
from tests.support.commands import NOWHERE
from tests.support.web import LOGS, VOLUME, Server


def test_a_database_that_is_away_is_told_and_come_back_is_used(
    made: tuple[Engine, Server], server: Engine
) -> None:
    """It gets 503 and a sentence while it lasts, and the next question after it is answered."""
    engine, web = made
    name = engine.url.database
    engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        )
        time.sleep(0.3)
        reply = web.get(VOLUME, {"limit": 77})
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    time.sleep(0.3)
    assert reply.status == 503
    assert reply.error == "the database cannot be reached: try again later"
    assert reply.headers["Retry-After"] == "5"
    assert len(web.rows(VOLUME, {"limit": 77})) == 77


def test_a_connection_that_broke_is_replaced_at_once(made: tuple[Engine, Server], server: Engine) -> None:
    """A server that was restarted between two questions is not noticed."""
    engine, web = made
    assert web.get(VOLUME, {"limit": 78}).status == 200
    with server.connect() as connection:
        connection.execute(
            text(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{engine.url.database}'"
            )
        )
    engine.dispose()
    time.sleep(0.3)
    assert web.get(VOLUME, {"limit": 79}).status == 200


def test_it_starts_without_a_database(tmp_path: Path) -> None:
    """What needs none is answered, the rest gets 503; and Ctrl-C ends it well."""
    web = Server(tmp_path, NOWHERE)
    assert "volume-1s" in web.get("/api/").json
    assert web.get(VOLUME).error == "the database cannot be reached: try again later"
    assert web.end(signal.SIGINT) == (0, "")


def test_what_there_is_not_yet_is_told(database: str, tmp_path: Path) -> None:
    """On a database without a daemon's tables an ident answers 503; one of a plugin that is off, 404."""
    web = Server(tmp_path, database, plugins__disabled=["releng"])
    reply = web.get(VOLUME)
    assert (reply.status, reply.error) == (
        503,
        "the table does not exist yet: the daemon has not run with this plugin",
    )
    assert "volume-by-user-1m" not in web.get("/api/").json
    assert web.get(LOGS).status == 404
    assert web.end() == (0, "")


def test_a_table_that_is_locked_keeps_nobody_waiting(made: tuple[Engine, Server]) -> None:
    """It gets 503 within seconds."""
    engine, web = made
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE data_volume_1s"))
        begin = time.monotonic()
        reply = web.get(VOLUME, {"limit": 80})
        assert time.monotonic() - begin < 5
    assert (reply.status, reply.error) == (503, "the database is too busy: try again later")


def test_the_database_cannot_be_changed(made: tuple[Engine, Server]) -> None:
    """Every connection of the API is read-only."""
    reader = make_reader(made[0].url.render_as_string(hide_password=False))
    with reader.connect() as connection, pytest.raises(InternalError, match="read-only"):
        connection.execute(text("DELETE FROM data_volume_1s"))
    reader.dispose()
