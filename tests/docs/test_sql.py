"""Every SQL statement of the documentation runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import state_of
from tests.docs.conftest import Filled
from tests.support.examples import Example, examples, page
from tests.support.grafana import expanded

#: What begins a statement that must find something.
ASKS = ("SELECT", "WITH")
#: The SQLSTATEs of what PostgreSQL has understood and cannot do here: it does not run in a transaction, as CREATE
#: DATABASE, or makes a role that the server has.
UNDERSTOOD = {"25001", "42710"}
#: Neither has summer time, so that "30 days ago" is one instant; the days of each begin at other hours.
ZONES = ("UTC", "Asia/Kathmandu", "Pacific/Honolulu")
#: But for those on the tables of a page's own plugins, which tests/docs/test_packages.py runs.
STATEMENTS = [
    pytest.param(statement, id=f"{example}-{number}")
    for example in examples("sql")
    if not page(example.page).is_package or example.page == "README.md"
    for number, statement in enumerate(re.split(r"(?<=;)\s*\n", example.text), 1)
    if statement.strip()
]


def run(connection: Connection, statement: str) -> Any:
    """Run a statement; what is meant for Grafana, as Grafana would for the last day."""
    now = datetime.now(UTC)
    if "$__" in statement:
        statement = expanded(statement, {}, now - timedelta(days=1), now)
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def asks(statement: str) -> bool:
    """Return whether a statement asks for rows."""
    lines = [line for line in statement.splitlines() if not line.startswith("--")]
    return " ".join(lines).upper().startswith(ASKS)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_runs_and_every_question_finds_something(statement: str, filled: Filled) -> None:
    """A SELECT returns rows on the tables of ten weeks of traffic; any other statement is rolled back."""
    with filled.engine.connect() as connection:
        try:
            result = run(connection, statement)
        except DBAPIError as error:
            if state_of(error) not in UNDERSTOOD:
                raise
        else:
            assert not asks(statement) or result.all(), "it returns no rows"
        connection.rollback()


@pytest.mark.parametrize("statement", [param for param in STATEMENTS if asks(param.values[0])])
def test_no_answer_depends_on_the_time_zone_of_the_session(statement: str, filled: Filled) -> None:
    """Who asks the same question at the same instant gets the same rows anywhere on earth."""
    answers = []
    with filled.engine.connect() as connection:  # one transaction, so that now() is one instant
        for zone in ZONES:
            connection.exec_driver_sql(f"SET LOCAL TimeZone = '{zone}'")
            answers.append(run(connection, statement).all())
        connection.rollback()
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("example", examples("sql"), ids=str)
def test_every_block_ends(example: Example) -> None:
    """A reader can paste a block into psql: its last statement ends in a semicolon."""
    assert example.text.rstrip().endswith(";")
