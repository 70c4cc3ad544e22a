"""Coverage: what each plugin has counted in full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, insert, text

from statscache.database.engine import make_engine
from statscache.database.lock import counting
from statscache.schema.registry import PluginRow
from statscache.schema.tables import create_tables
from statscache.span import Span
from statscache.store.coverage import (
    CoverageRow,
    HeardRow,
    cover,
    covered,
    gaps,
    lacking,
    uncover,
    want,
    wanted,
)
from statscache.store.kept_back_table import KeptRow
from statscache.store.not_kept import NotKeptRow
from statscache.store.verification import VerificationRow

AB = ["a", "b"]
YEAR = 1_700_000_000
seconds = st.integers(YEAR, YEAR + 50)
spans = st.tuples(seconds, st.integers(1, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
WHOLE = Span(YEAR, YEAR + 70)


@pytest.fixture
def book(database: str) -> Iterator[Engine]:
    """An engine on a database in which two plugins have covered nothing."""
    engine = make_engine(database)
    create_tables(
        engine,
        [row.__table__ for row in (CoverageRow, HeardRow, KeptRow, NotKeptRow, PluginRow, VerificationRow)],
    )
    with counting(engine) as connection:
        want(connection, dict.fromkeys("ab", datetime.fromtimestamp(YEAR, UTC)))
    yield engine
    engine.dispose()


def in_spans(found: list[Span]) -> set[int]:
    return {second for span in found for second in range(span.start, span.stop)}


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "ab"]), spans), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spans_add_up_second_by_second(book: Engine, steps: list[tuple[bool, str, Span]]) -> None:
    """Whatever is covered and uncovered in which order, each second is covered by whom it was last covered."""
    model: dict[str, set[int]] = {"a": set(), "b": set()}
    with counting(book) as connection:
        connection.execute(text("UPDATE statscache_coverage SET covered = '{}'"))
        for adds, plugins, span in steps:
            (cover if adds else uncover)(connection, list(plugins), span)
            for plugin in plugins:
                change = set(range(span.start, span.stop))
                model[plugin] = model[plugin] | change if adds else model[plugin] - change
        have, lack = covered(connection, AB, WHOLE), gaps(connection, AB, WHOLE)
        for plugin, expected in model.items():
            assert in_spans(have[plugin]) == expected
            assert in_spans(lack[plugin]) == set(range(WHOLE.start, WHOLE.stop)) - expected
            assert have[plugin] == sorted(have[plugin])
        for _, _, span in steps:
            without = {p for p in model if not model[p] & set(range(span.start, span.stop))}
            assert lacking(connection, AB, span) == without


def test_what_is_wanted_can_change(book: Engine) -> None:
    """The setting is read at each start, and what was covered stays."""
    with counting(book) as connection:
        cover(connection, ["a"], Span(YEAR, YEAR + 5))
        want(connection, {"a": datetime.fromtimestamp(YEAR - 9.5, UTC)})
        assert wanted(connection, AB) == {"a": YEAR - 9, "b": YEAR}
        assert covered(connection, ["a"], WHOLE) == {"a": [Span(YEAR, YEAR + 5)]}


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_what_has_not_come_is_never_covered(book: Engine, ahead: float) -> None:
    """By the database's clock, whatever this machine takes for the time."""

    def wall() -> float:
        return time.time() + ahead

    with counting(book) as connection:
        now = int(connection.scalar(text("SELECT extract(epoch FROM now())")) or 0)
        cover(connection, AB, Span(now - 100, now + 4000), 0, wall)
        assert covered(connection, AB, Span(now - 200, now + 9000))["a"] == [Span(now - 100, now)]
        cover(connection, AB, Span(now + 100, now + 4000), 0, wall)
        assert covered(connection, AB, Span(now - 200, now + 9000))["b"] == [Span(now - 100, now)]


@pytest.mark.parametrize("span", [None, Span(YEAR, YEAR + 10)])
def test_what_was_covered_by_a_clock_that_was_ahead_is_covered_no_more(
    book: Engine, span: Span | None
) -> None:
    """Once it has been set back: that time is yet to come, and nobody may be there to hear it."""
    with counting(book) as connection:
        now = int(connection.scalar(text("SELECT extract(epoch FROM now())")) or 0)
        insert_future(connection, now)
        cover(connection, ["a"], span)
        spans = covered(connection, AB, Span(YEAR, now + 9000))
        assert spans["a"] == ([span] if span else []) + [Span(now - 50, now)]
        assert spans["b"] == [Span(now - 50, now + 3600)]


def test_one_clock_that_is_behind_takes_nothing_away(book: Engine) -> None:
    """Where this machine's clock is ahead of the database's, nobody knows which was set, and nothing is lost."""
    with counting(book) as connection:
        now = int(connection.scalar(text("SELECT extract(epoch FROM now())")) or 0)
        insert_future(connection, now)
        cover(connection, AB, None, 0, lambda: now + 3000.0)
        assert covered(connection, AB, Span(YEAR, now + 9000))["a"] == [Span(now - 50, now + 3000)]


def insert_future(connection: Connection, now: int) -> None:
    """Have an hour covered that is yet to come."""
    ranges = "tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))"
    values = {"start": now - 50, "stop": now + 3600}
    connection.execute(text(f"UPDATE statscache_coverage SET covered = {ranges}"), values)


def test_a_second_of_which_a_copy_is_kept_back_is_not_covered(book: Engine) -> None:
    """Whoever covers its time; what was covered before stays so."""
    row = {"bus": "fedmsg", "plugin_set": 1, "until": func.now(), "body": "{}"}
    with counting(book) as connection:
        cover(connection, ["b"], Span(YEAR, YEAR + 10))
        for second in (5, 6, 9, 70):
            when = func.to_timestamp(YEAR + second)
            connection.execute(insert(KeptRow).values(msg_id=str(second), timestamp=when, **row))
        cover(connection, AB, Span(YEAR + 5, YEAR + 20))
        found = covered(connection, AB, WHOLE)
    assert found == {
        "a": [Span(YEAR + 7, YEAR + 9), Span(YEAR + 10, YEAR + 20)],
        "b": [Span(YEAR, YEAR + 20)],
    }
