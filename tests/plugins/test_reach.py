"""A plugin whose windows depend on messages before them: they are complete when that time is, too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine

from statscache.database.lock import counting
from statscache.query.completeness import read_completeness
from statscache.query.missing import Missing, Reason, read_reasons
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_gap
from tests.support.bench import Bench, Good
from tests.support.durations import GIVE_UP, Lengths
from tests.support.sql import run

Make = Callable[..., Bench]
TABLES = ["test_good", "test_lengths"]
BOTH = ["good", "lengths"]


@pytest.fixture
def bench(make_bench: Make) -> Bench:
    """A daemon that has covered the first 1,000 seconds."""
    bench = make_bench(Good, Lengths)
    with counting(bench.engine) as connection:
        cover(connection, BOTH, Span(0, 1000))
    return bench


def complete(bench: Bench, table: str = "test_lengths", stop: int = 2000) -> list[tuple[int, int]]:
    """Return the complete spans of a table."""
    with bench.engine.connect() as connection:
        spans = read_completeness(connection, [table], 0, stop).spans
    return [(span.start, span.stop) for span in spans]


def test_a_span_is_complete_from_the_reach_after_its_start(bench: Bench) -> None:
    """A plugin without a reach is complete from the start on."""
    assert complete(bench) == [(GIVE_UP, 1000)]
    assert complete(bench, "test_good") == [(0, 1000)]
    with counting(bench.engine) as connection:
        cover(connection, BOTH, Span(1100, 1100 + GIVE_UP))
        cover(connection, BOTH, Span(1300, 1301 + GIVE_UP))
    assert complete(bench) == [(GIVE_UP, 1000), (1300 + GIVE_UP, 1301 + GIVE_UP)]


def test_all_time_is_complete_where_it_has_no_beginning(bench: Bench) -> None:
    bench.execute("UPDATE statscache_coverage SET covered = '{(,)}'")
    assert complete(bench) == [(0, 2000)]


def test_a_gap_is_one_gap_and_history_begins_after_the_reach(bench: Bench) -> None:
    """What cannot be complete is not counted as a gap of its own."""
    bench.execute("UPDATE statscache_coverage SET since = 'epoch'")
    query = "SELECT open_gaps FROM statscache_freshness WHERE table_name = 'test_lengths'"
    assert bench.execute(query) == [(0,)]
    with counting(bench.engine) as connection:
        cover(connection, BOTH, Span(1010, 1500))
    assert bench.execute(query) == [(1,)]


def test_a_message_in_the_quarantine_leaves_its_reach_incomplete(bench: Bench) -> None:
    """It may be the begin of what ended in a later window; the reason is told for all of these."""
    bench.intake.accept({"topic": "a.b.c.d", "msg": {"word": [["no"]]}, "timestamp": 500, "msg_id": "1"})
    bench.flush()
    assert complete(bench) == [(GIVE_UP, 500), (501 + GIVE_UP, 1000)]
    assert why(bench, 540, 600) == [Missing(Reason.QUARANTINED, 1)]
    assert why(bench, 600, 660) == [Missing(Reason.UNCOUNTED)]


def test_what_was_lost_is_the_reason_for_its_reach(bench: Bench) -> None:
    with counting(bench.engine) as connection:
        record_gap(connection, BOTH, Loss(3, 500.0, 510.0))
    assert complete(bench) == [(GIVE_UP, 500), (511 + GIVE_UP, 1000)]
    assert why(bench, 600, 660) == [Missing(Reason.LOST, 3, "the spool had no room")]
    assert why(bench, 660, 720) == [Missing(Reason.UNCOUNTED)]


def why(bench: Bench, start: int, stop: int) -> list[Missing]:
    """Return why a time is not complete, as a page of that window alone has it."""
    with bench.engine.connect() as connection:
        span, now = Span(start, stop), int(time.time())
        return list(read_reasons(connection, ["test_lengths"], ["lengths"], span, now).of(start, stop))


@pytest.mark.parametrize(
    ("statement", "spans"),
    [
        ("DELETE FROM test_lengths WHERE timestamp = to_timestamp(480)", [(GIVE_UP, 480), (540, 1000)]),
        ("DELETE FROM test_lengths_event", [(GIVE_UP, 500), (501 + GIVE_UP, 1000)]),
        ("TRUNCATE test_lengths_event", []),
        ("DROP TABLE test_lengths_event", []),
    ],
)
def test_what_somebody_removes_of_either_table_is_not_complete(
    statement: str, spans: list[Any], bench: Bench, database: str
) -> None:
    """Of the events it matters to all windows that could need them; they are no table of figures of their own."""
    words = [["ended", "a", "x", "ann"]]
    bench.intake.accept({"topic": "a.b.c.d", "msg": {"word": words}, "timestamp": 500, "msg_id": "1"})
    bench.flush()
    other = create_engine(database)
    run(other, statement)
    assert complete(bench) == spans
    [names] = zip(*bench.execute("SELECT table_name FROM statscache_freshness ORDER BY 1"), strict=True)
    assert list(names) == TABLES
    other.dispose()


def test_the_reach_is_in_the_table_of_plugins(bench: Bench) -> None:
    rows = bench.execute(
        "SELECT ident, tables, extract(epoch FROM reach)::int FROM statscache_plugin ORDER BY 1"
    )
    assert rows == [
        ("good", ["test_good"], None),
        ("lengths", ["test_lengths", "test_lengths_event"], GIVE_UP),
    ]


def test_a_table_of_plugins_without_the_column_gets_it(bench: Bench, make_bench: Make) -> None:
    """A database of an earlier version goes on, and is as it should be."""
    bench.execute("DROP VIEW statscache_freshness")
    bench.execute("ALTER TABLE statscache_plugin DROP COLUMN reach")
    again = make_bench(Good, Lengths)
    assert complete(again) == [(GIVE_UP, 1000)]
