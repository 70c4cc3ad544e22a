"""Which time of a table may be dropped, second by second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statscache.span import Span
from statscache.upkeep.retention.windows import Coarser, Windows, droppable

LAST = 120
windows = st.builds(
    lambda length, offset: Windows(length, offset % length), st.integers(1, 25), st.integers(0, 24)
)


def united(seconds: set[int]) -> tuple[Span, ...]:
    """Return seconds as spans, none of which touches another."""
    starts = [second for second in sorted(seconds) if second - 1 not in seconds]
    stops = [second + 1 for second in sorted(seconds) if second + 1 not in seconds]
    return tuple(map(Span, starts, stops))


complete = st.sets(st.integers(0, LAST)) | st.tuples(st.integers(0, LAST), st.integers(0, LAST)).map(
    lambda ends: set(range(min(ends), max(ends)))
)


def window_of(second: int, its: Windows) -> set[int]:
    """Return the seconds of the window that a second lies in."""
    start = its.start(second)
    return set(range(start, start + its.length))


def in_seconds(spans: list[Span]) -> set[int]:
    return {second for span in spans for second in range(span.start, span.stop)}


@given(windows, windows, complete, st.integers(1, LAST))
def test_a_window_goes_only_if_all_coarser_windows_that_it_touches_are_complete(
    fine: Windows, coarse: Windows, has: set[int], stop: int
) -> None:
    """And only as a whole, and only if it is old enough; and then it does go."""
    found = droppable(Span(0, stop), fine, Coarser(coarse, united(has)))
    seconds = in_seconds(found)
    expected = {
        second
        for second in range(stop)
        if all(0 <= each < stop and window_of(each, coarse) <= has for each in window_of(second, fine))
    }
    assert seconds == expected
    assert found == sorted(found)


@given(windows, st.integers(1, LAST))
def test_where_nothing_else_needs_the_time_all_whole_windows_go(fine: Windows, stop: int) -> None:
    """Those that are old enough."""
    seconds = in_seconds(droppable(Span(0, stop), fine, None))
    assert seconds == {second for second in range(stop) if window_of(second, fine) <= set(range(stop))}
