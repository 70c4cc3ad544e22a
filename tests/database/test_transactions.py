"""What each transaction sets for itself, and that nothing of it outlives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from statscache.database.engine import SETTINGS, make_engine
from statscache.web.database import make_reader
from tests.support.sql import run, scalar

CHANGED = "SELECT array_agg(name || ' ' || setting) FROM pg_settings WHERE source = 'session'"


@pytest.fixture(params=["serializable", "repeatable read", "read committed"])
def isolated(request: pytest.FixtureRequest, database: str, server: Engine) -> Iterator[tuple[str, Engine]]:
    """A level that is the default of the database, and an engine on it."""
    engine = make_engine(database)
    run(server, f"ALTER DATABASE {engine.url.database} SET default_transaction_isolation = '{request.param}'")
    yield request.param, engine
    engine.dispose()


def test_each_transaction_is_read_committed(isolated: tuple[str, Engine]) -> None:
    """Whatever the default of the database is."""
    level, engine = isolated
    assert scalar(engine, "SHOW transaction_isolation") == "read committed"
    assert scalar(engine, "SHOW default_transaction_isolation") == level
    run(engine, "CREATE TABLE seen (n int)")
    count = text("SELECT count(*) FROM seen")
    with engine.connect() as first, engine.begin() as second:
        first.execute(text("INSERT INTO seen VALUES (1)"))
        assert second.scalar(count) == 0
        first.commit()
        assert second.scalar(count) == 1


@pytest.mark.parametrize("reader", [False, True])
def test_a_session_is_left_as_it_was(reader: bool, database: str) -> None:
    """After a commit, a rollback and an error no setting is the session's own."""
    engine = make_reader(database) if reader else make_engine(database)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW TimeZone")) == "UTC"
        connection.commit()
        assert connection.scalar(text("SHOW lock_timeout")) == ("2s" if reader else "30s")
        connection.rollback()
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1 / 0"))
        connection.rollback()
        driver = connection.connection.dbapi_connection
        assert driver
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute(CHANGED)
            assert cursor.fetchone() == (None,)
            cursor.execute("SHOW search_path")
            assert cursor.fetchone() == ('"$user", public',)
        driver.autocommit = False
    engine.dispose()


@pytest.mark.parametrize(
    ("own", "used"),
    [
        ("DEFAULT", '"$user", public, pg_temp'),
        ("mine, public", "mine, public, pg_temp"),
        ("pg_temp, public", "public, pg_temp"),
        ('public, "pg_temp", mine', "public, mine, pg_temp"),
        ("nowhere", "nowhere"),
        ("''", '""'),
    ],
)
def test_temporary_tables_come_last(own: str, used: str, database: str, server: Engine) -> None:
    """The rest of the search path is the user's own; where it has no schema, no table is made temporary by that."""
    engine = make_engine(database)
    run(engine, "CREATE SCHEMA mine")
    run(server, f"ALTER DATABASE {engine.url.database} SET search_path = {own}")
    engine.dispose()
    assert scalar(engine, "SHOW search_path") == used
    engine.dispose()


def test_a_temporary_table_hides_no_real_one(database: str) -> None:
    """What is written goes to the real table."""
    engine = make_engine(database)
    run(engine, "CREATE TABLE counts (n int)", "CREATE TEMPORARY TABLE counts (n int)")
    run(engine, "INSERT INTO counts VALUES (1)")
    assert scalar(engine, "SELECT count(*) FROM public.counts") == 1
    assert scalar(engine, "SELECT count(*) FROM pg_temp.counts") == 0
    engine.dispose()


def test_the_settings_are_those_that_are_meant(database: str) -> None:
    """Every name is one of PostgreSQL's, and its value the one given."""
    engine = make_engine(database)
    shown = {"statement_timeout": "1min", "DateStyle": "ISO, MDY"}
    for name, value in SETTINGS.items():
        assert scalar(engine, f"SHOW {name}") == shown.get(name, value)
    engine.dispose()
