"""Coverage: what each plugin has counted in full, and what the view makes of it for each table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from statscache.database.engine import make_engine
from statscache.database.lock import counting
from statscache.schema.tables import create_tables
from statscache.span import Span
from statscache.store.coverage import CoverageRow, cover, covered, gaps, lacking, uncover, want, wanted
from tests.bench import Bad, Bench, fail

AB = ["a", "b"]
YEAR = 1_700_000_000
seconds = st.integers(YEAR, YEAR + 50)
spans = st.tuples(seconds, st.integers(1, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
WHOLE = Span(YEAR, YEAR + 70)


@pytest.fixture
def book(database: str) -> Iterator[Engine]:
    """An engine on a database in which two plugins have covered nothing."""
    engine = make_engine(database)
    create_tables(engine, [CoverageRow.__table__])
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
