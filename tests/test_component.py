"""Whether something works, since when it does not, and the pause before it is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.component import Backoff, WatchedState


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


def test_a_watched_state_logs_each_trouble_and_each_recovery_once(caplog: pytest.LogCaptureFixture) -> None:
    """So a log tells from when until when something was away, however often it was looked for."""
    now = [0.0]
    state = WatchedState("the database", lambda: now[0])
    for number in range(3):
        state.fail(f"refused {number}")
        now[0] += 2
    assert [state.succeed(), state.succeed()] == [True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "the database is away, and looked for until it is back: refused 0",
        "the database is back, after 6 s",
    ]
    assert state.failures == 3
