"""How long messages take to the tables."""

from __future__ import annotations

from benchmarks.watch import Sample, delays


def test_a_delay_is_from_sent_to_the_first_look_that_finds_it() -> None:
    """Messages are committed in the order they are sent."""
    samples = [Sample(10.0, 0, 0), Sample(11.0, 2, 0), Sample(12.0, 2, 0), Sample(13.0, 3, 0)]
    assert delays([9.0, 10.5, 11.5], samples) == [2.0, 0.5, 1.5]
