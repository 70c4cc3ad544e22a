"""The view that tells how complete each table is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from statscache.database.lock import counting
from statscache.schema.freshness import COMMENTS, NAME, create_views
from statscache.span import Span
from statscache.store.coverage import cover
from tests.support.bench import Bad, Bench, Good, fail

Make = Callable[..., Bench]


def freshness(bench: Bench, table: str) -> Any:
    query = "SELECT * FROM statscache_freshness WHERE table_name = :table"
    with bench.engine.connect() as connection:
        return connection.execute(text(query), {"table": table}).one()


def test_a_message_in_the_quarantine_is_a_second_that_is_not_complete(bench: Bench) -> None:
    """The view leaves out what one plugin could not digest, for its table alone."""
    bench.execute("UPDATE statscache_coverage SET since = 'epoch'")
    with counting(bench.engine) as connection:
        cover(connection, ["good", "bad"], Span(0, 60))
    Bad.trouble = staticmethod(fail)
    bench.accept("a")  # of the second 30
    bench.flush()
    bad, good = freshness(bench, "test_bad"), freshness(bench, "test_good")
    at = lambda second: datetime.fromtimestamp(second, UTC)  # noqa: E731
    assert (bad.complete_from, bad.complete_through, bad.quarantined, bad.open_gaps) == (at(31), at(60), 1, 1)
    assert (good.complete_from, good.complete_through, good.quarantined, good.open_gaps) == (
        at(0),
        at(60),
        0,
        0,
    )
    assert good.last_flush > datetime(2024, 1, 1, tzinfo=UTC)


def test_a_retry_is_a_time_at_which_the_table_was_written(bench: Bench) -> None:
    """Whoever asks when a table was last written learns of what came out of the quarantine, too."""
    query = "SELECT updated FROM statscache_coverage WHERE plugin IN ('bad', 'good') ORDER BY plugin"
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.flush()
    before = bench.execute(query)
    Bad.trouble = staticmethod(lambda session: None)
    assert bench.retry("bad") == 1
    after = bench.execute(query)
    assert after[0] > before[0]
    assert after[1] == before[1]


def test_a_table_that_nothing_has_covered_is_in_the_view(bench: Bench) -> None:
    """It has no time that is complete, and one gap, which is all time."""
    row = freshness(bench, "test_good")
    assert (row.complete_from, row.complete_through, row.open_gaps, row.plugins) == (None, None, 1, ["good"])


def test_whether_a_window_is_complete_is_a_join(bench: Bench) -> None:
    """Each row of a table can be shown with whether it is complete."""
    bench.accept("a")
    bench.flush()
    query = """
        SELECT complete @> tstzrange(timestamp, timestamp + interval '1 minute')
        FROM test_good JOIN statscache_freshness ON table_name = 'test_good'
    """
    assert bench.execute(query) == [(False,)]
    with counting(bench.engine) as connection:
        cover(connection, ["good"], Span(0, 60))
    assert bench.execute(query) == [(True,)]


@pytest.mark.parametrize("built_on", [False, True])
def test_an_older_view_of_freshness(built_on: bool, make_bench: Make, caplog: Any) -> None:
    """It is replaced, unless somebody's view is built on it in a way that stands against it: that is logged."""
    bench = make_bench(Good)
    bench.execute(f"DROP VIEW {NAME}; CREATE VIEW {NAME} AS SELECT 1 AS other")
    bench.execute(f"COMMENT ON VIEW {NAME} IS 'How complete (definition 0123456789ab)'")
    if built_on:
        bench.execute(f"CREATE VIEW mine AS SELECT * FROM {NAME}")
    create_views(bench.engine)
    columns = bench.execute(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{NAME}'::regclass AND attnum > 0"
    )
    assert [row[0] for row in columns] == (["other"] if built_on else list(COMMENTS))
    assert ("of this version of statscache cannot be created" in caplog.text) == built_on


def test_a_view_that_somebody_reads_does_not_stop_a_start(make_bench: Make, caplog: Any) -> None:
    """A long transaction, as that of a dump, keeps the older one in place; the log says so."""
    bench = make_bench(Good)
    older = "How complete (definition 0123456789ab)"
    bench.execute(f"COMMENT ON VIEW {NAME} IS '{older}'")
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(f"LOCK TABLE {NAME} IN ACCESS SHARE MODE")
        create_views(bench.engine)
    assert "of this version of statscache cannot be created (canceling statement due to lock" in caplog.text
    comment = f"SELECT obj_description('{NAME}'::regclass)"
    assert bench.execute(comment) == [(older,)]
    create_views(bench.engine)
    assert bench.execute(comment) != [(older,)]
