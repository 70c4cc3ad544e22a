"""Bots are told from people by the table of bots, which is what the last daemon that started has set."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, inspect, text

from statscache.schema.bots import keep_bots
from statscache.schema.objects import quoted
from statscache.schema.tables import create_tables, find_misfits
from statscache.setting.bots import BOTS
from statscache.store.bots import BotRow, bots, replace_bots, version_of_bots
from tests.support.sql import run, scalar

PATTERNS = ["releng", "mbs/*", "ci-?", "50%_\\bot", "o'brien's {a,b} \"bot\""]
IS_BOT = "SELECT statscache_is_bot(:name)"


@pytest.fixture
def tables(engine: Engine) -> Engine:
    """An engine on a database with the table."""
    assert create_tables(engine, [BotRow.__table__]) == {}  # type: ignore[list-item]
    return engine


def is_bot(engine: Engine, name: str | None) -> bool:
    with engine.connect() as connection:
        return connection.execute(text(IS_BOT), {"name": name}).scalar_one()


@pytest.mark.parametrize(
    ("name", "bot"),
    [
        ("releng", True),
        ("Releng", False),
        ("releng2", False),
        ("xreleng", False),
        ("mbs/", True),
        ("mbs/mbs.example.org\n", True),
        ("mbs", False),
        ("ci-1", True),
        ("ci-12", False),
        ("ci-", False),
        ("50%_\\bot", True),
        ("5000_\\bot", False),
        ("50%x\\bot", False),
        ("o'brien's {a,b} \"bot\"", True),
        ("", False),
        (None, False),
    ],
)
def test_names_are_compared_with_the_patterns(tables: Engine, name: str | None, bot: bool) -> None:
    """As they are spelt and as a whole: `*` is any text, `?` one character, and nothing else is special."""
    keep_bots(tables, PATTERNS)
    assert is_bot(tables, name) is bot


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("ab*?%_\\'é", min_size=1, max_size=5), max_size=4),
    st.lists(st.text("ab%_\\'é", max_size=5), max_size=8),
)
def test_patterns_are_the_shell_s(tables: Engine, patterns: list[str], names: list[str]) -> None:
    """The function and Python say the same of any name."""
    keep_bots(tables, set(patterns))
    for name in names:
        assert is_bot(tables, name) is any(fnmatchcase(name, pattern) for pattern in patterns)


def test_without_patterns_nobody_is_a_bot(tables: Engine) -> None:
    """The function is there all the same."""
    keep_bots(tables, [])
    assert not is_bot(tables, "releng")


def test_a_question_about_many_names_has_the_patterns_in_it(tables: Engine) -> None:
    """So PostgreSQL calls no function and reads no table for each name, and may use several processes."""
    keep_bots(tables, list(BOTS))
    run(tables, "CREATE TABLE person (name text)")
    question = "SELECT count(*) FROM person WHERE NOT statscache_is_bot(name)"
    with tables.connect() as connection:
        plan = " ".join(connection.scalars(text(f"EXPLAIN (VERBOSE) {question}")))
    assert "releng" in plan
    assert "statscache" not in plan
    kind = "SELECT provolatile::text || proparallel::text FROM pg_proc WHERE proname = 'statscache_is_bot'"
    assert scalar(tables, kind) == "ss"


def test_what_is_written_by_hand_counts_at_once(tables: Engine) -> None:
    """Until a daemon starts, whose setting it then is again; each change has another version."""
    versions = []
    keep_bots(tables, ["releng"])
    for statement, name, bot in (
        ("SELECT", "joe", False),
        ("INSERT INTO statscache_bot (pattern) VALUES ('j*')", "joe", True),
        ("UPDATE statscache_bot SET pattern = 'k*' WHERE pattern = 'j*'", "joe", False),
        ("DELETE FROM statscache_bot WHERE pattern = 'releng'", "releng", False),
        ("TRUNCATE statscache_bot", "kim", False),
    ):
        run(tables, statement)
        assert is_bot(tables, name) is bot
        with tables.connect() as connection:
            versions.append(version_of_bots(connection))
    assert len(set(versions)) == len(versions)
    keep_bots(tables, ["releng"])
    assert is_bot(tables, "releng")
    with tables.connect() as connection:
        assert version_of_bots(connection) == versions[0]


def test_the_last_daemon_that_starts_decides_and_says_so(
    tables: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A start with the same list changes and says nothing."""
    caplog.set_level(logging.INFO)
    for patterns in (["releng", "bodhi"], ["bodhi", "releng"], ["bodhi", "zuul"]):
        keep_bots(tables, patterns)
    decides = ": of daemons with different lists the last that starts decides"
    assert [record.getMessage() for record in caplog.records] == [
        f"statscache_bot now has the 2 patterns of statscache.bots (new: bodhi, releng){decides}",
        f"statscache_bot now has the 2 patterns of statscache.bots (new: zuul; gone: releng){decides}",
    ]
    with tables.connect() as connection:
        assert bots(connection) == {"bodhi", "zuul"}


def test_all_rows_tell_when_the_list_was_last_changed(tables: Engine) -> None:
    """What is gone leaves no row that could."""
    changed = "SELECT min(changed) FROM statscache_bot"
    keep_bots(tables, ["bodhi", "releng"])
    first = scalar(tables, changed)
    keep_bots(tables, ["bodhi", "releng"])
    assert scalar(tables, changed) == first
    keep_bots(tables, ["bodhi"])
    assert scalar(tables, changed) > first


def test_a_transaction_that_fails_leaves_list_and_function_alike(tables: Engine) -> None:
    """Both change in one transaction."""
    keep_bots(tables, ["releng"])
    with tables.connect() as connection, connection.begin() as transaction:
        replace_bots(connection, ["bodhi"])
        assert connection.execute(text(IS_BOT), {"name": "bodhi"}).scalar_one()
        transaction.rollback()
    assert is_bot(tables, "releng")
    assert not is_bot(tables, "bodhi")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP FUNCTION statscache_is_bot",
        "DROP TRIGGER statscache_bot_changed ON statscache_bot",
        "DROP FUNCTION statscache_bot_changed CASCADE",
    ],
)
def test_what_is_dropped_is_made_anew(tables: Engine, statement: str) -> None:
    """At the next start, whatever the list has become meanwhile."""
    keep_bots(tables, ["releng"])
    run(tables, statement, "DELETE FROM statscache_bot")
    keep_bots(tables, ["bodhi"])
    assert (is_bot(tables, "releng"), is_bot(tables, "bodhi")) == (False, True)


def test_a_role_that_may_make_nothing_starts_with_the_list_that_is_there(
    tables: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """It needs no rights where its list is the same, and where it is another the log says what is missing."""
    keep_bots(tables, ["releng"])
    role = f"clerk_{uuid4().hex}"
    run(
        tables,
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",  # as it is from PostgreSQL 15 on
        f"CREATE ROLE {role}",
        f"GRANT ALL ON statscache_bot TO {role}",
        f"GRANT {role} TO CURRENT_USER",
    )
    clerk = create_engine(tables.url, connect_args={"options": f"-crole={role}"})
    try:
        keep_bots(clerk, ["releng"])
        assert caplog.records == []
        keep_bots(clerk, ["bodhi"])
        assert caplog.messages == [
            "statscache_is_bot cannot be kept (permission denied for schema public): remove the cause and start again"
        ]
        assert is_bot(tables, "releng")
    finally:
        clerk.dispose()
        run(tables, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("schema", ["other", "it's 100% odd"])
def test_the_function_is_where_the_table_is(engine: Engine, schema: str) -> None:
    """It answers whatever search_path and operators who asks has."""
    home = quoted(schema)
    run(
        engine,
        f"CREATE SCHEMA {home}",
        "CREATE FUNCTION never(text, text) RETURNS boolean LANGUAGE sql RETURN false",
        "CREATE OPERATOR ~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = never)",
    )
    path = f"-csearch_path={home}".replace(" ", "\\ ")
    inside = create_engine(engine.url, connect_args={"options": path})
    create_tables(inside, [BotRow.__table__])  # type: ignore[list-item]
    keep_bots(inside, ["releng"])
    inside.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = public, pg_catalog")
        assert connection.scalar(text(f"SELECT {home}.statscache_is_bot('releng')"))


def test_the_table_explains_itself(tables: Engine) -> None:
    """It, its columns and the function have comments, and it is as its model says."""
    keep_bots(tables, [])
    inspector = inspect(tables)
    assert inspector.get_table_comment("statscache_bot")["text"]
    assert all(column["comment"] for column in inspector.get_columns("statscache_bot"))
    with tables.connect() as connection:
        assert find_misfits(connection, [BotRow.__table__]) == {}  # type: ignore[list-item]
    assert scalar(tables, "SELECT obj_description('statscache_is_bot(text)'::regprocedure, 'pg_proc')")
