"""Whether something works, since when it does not, and the pause before it is tried again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from statscache.component import Backoff


@given(st.floats(0.001, 60), st.floats(1, 100_000), st.integers(1, 10_000))
def test_each_pause_is_twice_the_one_before_up_to_the_longest(
    shortest: float, factor: float, failures: int
) -> None:
    """The first is the shortest, none is longer than the longest, however often it fails."""
    backoff = Backoff(shortest, shortest * factor)
    before, pause = backoff.pause(failures), backoff.pause(failures + 1)
    assert backoff.pause(1) == shortest
    assert pause == min(2 * before, backoff.longest)


def test_pauses_may_be_timedeltas() -> None:
    """Suspensions last for hours, and are kept as such."""
    backoff = Backoff(timedelta(minutes=1), timedelta(hours=6))
    assert [backoff.pause(times) for times in (1, 2, 3)] == [timedelta(minutes=2**n) for n in range(3)]
    assert backoff.pause(1000) == timedelta(hours=6)
