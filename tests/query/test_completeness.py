"""Of which time tables have every message."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.query.completeness import Completeness, counted_by_version
from statscache.span import Span

SPANS = st.lists(st.integers(0, 60), unique=True, min_size=2, max_size=12).map(
    lambda ends: tuple(
        Span(start, stop) for start, stop in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False)
    )
)


@given(SPANS, st.integers(0, 59), st.integers(1, 30))
def test_a_time_is_covered_if_each_of_its_seconds_is(
    spans: tuple[Span, ...], start: int, length: int
) -> None:
    seconds = {second for span in spans for second in range(span.start, span.stop)}
    # Spans that touch each other are one, which PostgreSQL sees to; here two may touch.
    joined = all(one.stop < other.start for one, other in pairwise(spans))
    if joined:
        wanted = set(range(start, start + length)) <= seconds
        assert Completeness(spans).covers(start, start + length) == wanted


@given(SPANS, st.integers(0, 59), st.integers(1, 30))
def test_what_of_a_time_is_complete(spans: tuple[Span, ...], start: int, length: int) -> None:
    seconds = {second for span in spans for second in range(span.start, span.stop)}
    found = Completeness(spans).within(start, start + length)
    assert {second for span in found for second in range(span.start, span.stop)} == seconds & set(
        range(start, start + length)
    )


#: Plugins, versions, and a span that is noted of each.
NOTED = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 59), st.integers(1, 20)), max_size=6
)


@given(
    st.fixed_dictionaries({"a": st.integers(1, 3), "b": st.integers(1, 3)}),
    NOTED,
    st.integers(0, 59),
    st.integers(1, 30),
)
def test_the_versions_of_a_time_are_those_of_each_of_its_seconds(
    present: dict[str, int], noted: list[tuple[str, int, int, int]], start: int, length: int
) -> None:
    """Of each plugin those that are noted of a second, or else the present one."""
    rows = [("t", plugin, version, first, first + long) for plugin, version, first, long in noted]
    counted = counted_by_version({"t": present}, rows, Span(0, 90))
    wanted = set()
    for second in range(start, start + length):
        for plugin in "ab":
            its = {row[2] for row in rows if row[1] == plugin and row[3] <= second < row[4]}
            wanted |= its or {present[plugin]}
    assert Completeness((), counted).versions(start, start + length) == tuple(sorted(wanted))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (5, 6)])
def test_nothing_is_known_of_no_table(start: int, stop: int) -> None:
    assert not Completeness().covers(start, stop)
