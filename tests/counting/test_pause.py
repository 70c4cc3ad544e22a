"""How long what has failed is left alone."""

from __future__ import annotations

from statscache.counting.pause import Pause


def test_pauses_grow_to_a_bound_and_end_with_success() -> None:
    """What fails is left alone for 1, 2, 4 … 30 seconds."""
    now = 0.0
    pause = Pause(lambda: now)
    assert pause.over
    assert [pause.lengthen() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert not pause.over
    pause.end()
    assert pause.over
