"""Coverage: what each plugin has counted in full."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from statscache.database.engine import make_engine
from statscache.database.lock import counting
from statscache.schema.tables import create_tables
from statscache.span import Span
from statscache.store.coverage import CoverageRow, cover, covered, gaps, lacking, uncover, want, wanted

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
