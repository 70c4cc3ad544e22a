"""What is counted of the daemon's own work."""

from __future__ import annotations

from statscache.counting.measures import Distribution


def test_a_distribution_counts_what_is_at_most_each_bound() -> None:
    """As Prometheus wants it: each bucket has all smaller ones."""
    values = Distribution((1.0, 5.0))
    values.add(1.0)
    values.add(3.0, 2)
    values.add(60.0)
    assert values.cumulated() == [("1.0", 1), ("5.0", 3), ("+Inf", 4)]
    assert values.sum == 67.0
