"""Indexes: what a start makes of those that are missing, and that the API's questions look at few rows."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Select, inspect, text

from statscache.daemon import open_daemon
from statscache.hosting.loader import load
from statscache.plugins import Base
from statscache.query.cursors import Cursor
from statscache.query.periods import Period
from statscache.query.question import question
from statscache.query.sections import Form
from statscache.query.tables import Served, served
from statscache.schema.indexes import add_indexes
from statscache.settings import read_settings

LOG = "data_releng_dashboard"
INDEXES = {f"{LOG}_by_category", f"{LOG}_by_timestamp"}
CATEGORIES, ROWS = 20, 20_000
#: The first rows are those of a category that has been quiet ever since.
FILL = f"""
INSERT INTO {LOG} SELECT CASE WHEN n < 20 THEN 'quiet' ELSE 'category ' || n % {CATEGORIES} END, 'thing ' || n,
    to_timestamp(1600000000 + n), 0, '', '{{"status": "open"}}' FROM generate_series(0, {ROWS - 1}) AS n
"""
#: What a page may look at: its rows, the newest eight of each category, once to leave them out, and each category.
FEW = 101 + (8 + 8 + 2) * (CATEGORIES + 1)
MIDDLE = Cursor("a", 1, 0, ((1_600_000_000 + ROWS // 2) * 1_000_000,), ("category 0", "thing"))
QUESTIONS: dict[str, tuple[dict[str, Any], int, Cursor | None, int, int]] = {
    "the first page": ({}, 0, None, 0, FEW),
    "a page in the middle": ({}, 1, MIDDLE, 0, FEW),
    "the oldest first": ({"order": "asc"}, 0, MIDDLE, 0, FEW),
    "one category": ({"category": ["category 3"]}, 1, MIDDLE, 0, FEW),
    "a quiet category": ({"category": ["quiet"]}, 0, None, 0, FEW),
    "a page by its number": ({}, 1, None, 9_000, FEW + 9_000),
}


def run(engine: Engine, *statements: str) -> None:
    """Run statements, none of them in a transaction of more."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


def names(engine: Engine) -> set[str | None]:
    """Return the log's indexes."""
    return {index["name"] for index in inspect(engine).get_indexes(LOG)}


@pytest.fixture
def made(config: dict[str, Any], engine: Engine) -> Engine:
    """An engine on a database that a daemon has been started on."""
    open_daemon(config).engine.dispose()
    return engine


def test_a_start_adds_the_indexes_that_an_older_table_lacks(made: Engine, config: dict[str, Any]) -> None:
    """A table of an earlier version is indexed as a new one is, and what it has beside that stays."""
    run(made, *(f"DROP INDEX {name}" for name in INDEXES), f"CREATE INDEX my_own ON {LOG} (rank)")
    open_daemon(config).engine.dispose()
    assert names(made) == INDEXES | {"my_own"}


def test_a_large_table_is_left_to_a_command_that_is_told(
    made: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """To index a large one would keep all others waiting: the log has what to do instead, and that works."""
    run(made, *(f"DROP INDEX {name}" for name in INDEXES))
    caplog.set_level(logging.WARNING)
    add_indexes(made, [Base.metadata.tables[LOG]], small=-1)
    assert names(made) == set()
    assert len(caplog.messages) == 2
    run(made, *(message.partition("everything goes on: ")[2] for message in caplog.messages))
    assert names(made) == INDEXES
    add_indexes(made, [Base.metadata.tables[LOG]], small=-1)
    assert len(caplog.messages) == 2


def test_an_index_that_cannot_be_created_stops_nobody(made: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the rest is done."""
    [by_category, by_timestamp] = sorted(INDEXES)
    run(made, f"DROP INDEX {by_category}", f"DROP INDEX {by_timestamp}", f"CREATE TABLE {by_category} ()")
    add_indexes(made, [Base.metadata.tables[LOG]])
    assert f"the index {by_category} cannot be created: " in caplog.text
    assert names(made) == {by_timestamp}


def test_a_start_waits_for_nobody_who_writes(made: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A transaction that somebody left open costs an index, not the start, and not the time of who counts."""
    run(made, *(f"DROP INDEX {name}" for name in INDEXES))
    with made.begin() as connection:
        connection.execute(text(f"LOCK TABLE {LOG} IN ROW EXCLUSIVE MODE"))
        add_indexes(made, [Base.metadata.tables[LOG]], patience=0.1)
    assert names(made) == set()
    assert [f"{LOG} is being written to" in message for message in caplog.messages] == [True, True]
    add_indexes(made, [Base.metadata.tables[LOG]])
    assert names(made) == INDEXES


def test_an_index_that_was_broken_off_is_told(made: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """CREATE INDEX CONCURRENTLY can leave one behind that serves nothing: the log has what makes it whole."""
    index = f"{LOG}_by_timestamp"
    run(made, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass")
    add_indexes(made, [Base.metadata.tables[LOG]])
    [message] = caplog.messages
    run(made, message.partition("everything goes on: ")[2])
    add_indexes(made, [Base.metadata.tables[LOG]])
    assert caplog.messages == [message]


def rows_looked_at(plan: dict[str, Any]) -> int:
    """Return how many rows of the log a plan has read, those that it left out afterwards included."""
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") else 0
    return int(read * plan["Actual Loops"]) + sum(map(rows_looked_at, plan.get("Plans", [])))


def plan_of(connection: Connection, query: Select[Any]) -> dict[str, Any]:
    """Return how PostgreSQL has answered a question."""
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}"
    found: dict[str, Any] = connection.exec_driver_sql(statement.replace("%", "%%")).scalar_one()[0]["Plan"]
    return found


@pytest.fixture
def log(made: Engine, config: dict[str, Any]) -> Served:
    """A log of many rows, as the API serves it."""
    run(made, FILL, f"VACUUM ANALYZE {LOG}")
    return served(load(read_settings(config), config))["release-engineering-event-logs"]


def test_a_page_of_a_log_looks_at_few_rows_at_any_depth(log: Served, made: Engine) -> None:
    """However long a log is, however deep the page, and however quiet a category."""
    with made.connect() as connection:
        for name, (values, section, place, skip, few) in QUESTIONS.items():
            part = question(log, values).sections[section]
            query = part.places(place, False, 1, skip) if skip else part.part(place, False, 101, 0)
            plan = plan_of(connection, query)
            assert plan["Actual Rows"] > 0, name
            assert rows_looked_at(plan) <= few, (name, json.dumps(plan, indent=1))


#: Four rows an hour over 2,000 days, and where a page in the middle of them begins.
COUNTS = """
INSERT INTO data_volume_by_category_1h SELECT to_timestamp(1600041600 + n / 4 * 3600), 'c' || n % 4, 1
FROM generate_series(0, 4 * 24 * 2000 - 1) AS n
"""
DAYS = tuple(Period(second, second + 86_400) for second in range(1_600_041_600, 1_772_841_600, 86_400))
A_DAY = Cursor("a", 0, 0, (DAYS[1000].start * 1_000_000,), ("c1",))
#: So many rows has a day.
PER_DAY = 24 * 4


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("place", [None, A_DAY])
@pytest.mark.parametrize(("group", "days"), [({}, 101), ({"group": "category"}, 30)])
def test_a_page_of_sums_by_period_looks_at_its_own_rows(
    group: dict[str, str],
    days: int,
    place: Cursor | None,
    backward: bool,
    made: Engine,
    config: dict[str, Any],
) -> None:
    """However many periods there are before it and after it."""
    run(made, COUNTS, "VACUUM ANALYZE data_volume_by_category_1h")
    its = served(load(read_settings(config), config))["volume-by-category-1h"]
    section = question(its, {"step": "day", **group}, Form(periods=DAYS)).sections[0]
    with made.connect() as connection:
        plan = plan_of(connection, section.part(place, backward, 101, 0))
    assert plan["Actual Rows"] == 101
    assert rows_looked_at(plan) <= (days + 2) * PER_DAY, json.dumps(plan, indent=1)
