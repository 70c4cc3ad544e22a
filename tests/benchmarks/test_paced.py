"""What grows under paced traffic."""

from __future__ import annotations

import pytest

from benchmarks.paced import MEGABYTE, slope
from benchmarks.watch import Sample


def test_the_slope_is_that_of_the_last_two_thirds() -> None:
    """What a start takes is not counted as growth."""
    start = [Sample(float(n), 0, n * 1_000_000) for n in range(30)]
    rest = [Sample(float(n), 0, 50_000_000 + n * 1_000) for n in range(30, 90)]
    assert slope([*start, *rest]) == pytest.approx(1_000 * 600 / MEGABYTE)
