"""What looks at a socket prove, whenever the process that looks is frozen."""

from __future__ import annotations

import math
from bisect import bisect_right

from hypothesis import example, given
from hypothesis import strategies as st

from statscache.bus.looks import APART, PAUSE, Looks
from statscache.process.clocks import Reading

#: How often is looked, as by a timer that keeps its beat.
EVERY = APART + 0.1
#: Freezes, each with how long after the last it begins and how long it lasts, in seconds.
FREEZES = st.lists(st.tuples(st.floats(0.001, 4), st.floats(0.01, 7)), max_size=12)
#: For so many seconds after a process goes on ZeroMQ's thread may not get a processor.
STARTS = 0.01
#: It is looked for so many seconds.
LASTS = 60.0


def looked(freezes: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return when it is looked, with up to when ZeroMQ has read by then what had arrived."""
    spans, at = [], 0.0
    for after, lasts in freezes:
        spans.append((at + after, at + after + lasts))
        at += after + lasts
    found, at = [], 0.0
    while at < LASTS:
        place = bisect_right(spans, (at, LASTS * 9)) - 1
        stop = spans[place][1] if place >= 0 else 0.0
        now = max(at, stop)
        read = spans[place][0] if place >= 0 and now < stop + STARTS else now - STARTS
        if place >= 1 and read < spans[place - 1][1] + STARTS:
            read = spans[place - 1][0]
        found.append((now, read))
        at = (math.floor(now / EVERY + 1e-6) + 1) * EVERY
    return found


@given(FREEZES)
@example([(1.15, 2.8), (0.02, 2.9)])
@example([(1.11, 1.08), (0.02, 1.07), (0.02, 1.07)])
def test_no_freeze_hides_what_had_arrived_long_before(freezes: list[tuple[float, float]]) -> None:
    """When it is said that all was taken that had arrived at an instant, all is that had `PAUSE` before it."""
    looks = Looks()
    for now, read in looked(freezes):
        reading = Reading(now, now, now, 0)
        looks.pause(reading)
        arrived = looks.note(True, reading)
        if arrived is not None:
            assert read >= arrived.monotonic - PAUSE - STARTS


def test_looks_in_time_prove_what_had_arrived_at_the_one_before() -> None:
    looks, found = Looks(), []
    for now, _ in looked([]):
        reading = Reading(now, now, now, 0)
        looks.pause(reading)
        found.append(looks.note(True, reading))
    assert found[0] is None
    assert all(arrived is not None for arrived in found[1:])


def test_a_look_that_comes_late_shows_nothing() -> None:
    """Nor does the one after it, which only begins anew."""
    looks, found = Looks(), []
    for now in (0.0, 1.1, 1.1 + PAUSE, 2.2 + PAUSE, 3.3 + PAUSE):
        reading = Reading(now, now, now, 0)
        looks.pause(reading)
        found.append(looks.note(True, reading) is not None)
    assert found == [False, True, False, False, True]
