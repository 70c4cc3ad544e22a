"""Where the time goes."""

from __future__ import annotations

from benchmarks.profile import own_times


def test_own_times_are_by_thread_and_function() -> None:
    """Lines of one function count together, and callers do not count."""
    stacks = "thread (1): main;a (x.py:1);b (x.py:2) 3\nthread (1): main;b (x.py:9) 1\nthread (2): flush;c (y.py:1) 5\n"
    assert {thread: dict(counts) for thread, counts in own_times(stacks).items()} == {
        "thread (1): main": {"b (x.py)": 4},
        "thread (2): flush": {"c (y.py)": 5},
    }
