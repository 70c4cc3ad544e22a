"""Counts of things that go wrong, and when to speak of them."""

from __future__ import annotations

from statscache.reasons import ReasonCounter


def test_a_tally_speaks_of_each_key_at_powers_of_two() -> None:
    """Every key has a count of its own."""
    tally = ReasonCounter()
    assert [number for number in range(1, 70) if tally.add("a")] == [1, 2, 4, 8, 16, 32, 64]
    assert tally.add("b")
    assert tally.total() == 70
