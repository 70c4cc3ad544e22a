"""Durations are kept in buckets, which are the same whoever computes them, and narrow enough."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

from statscache.plugins.durations import LONGEST
from statscache.plugins.episodes import STEP, bucket_of
from tests.support.durations import bucket


def test_no_second_is_so_near_the_edge_of_a_bucket_that_a_float_could_miss_it() -> None:
    """Up to ten years; so every computer puts each into the same bucket, of at most 0.9 % around."""
    previous = 1
    edges = round(math.log(LONGEST.total_seconds()) / STEP) + 2
    with localcontext(prec=50):
        for bucket_number in range(1, edges):
            edge = (Decimal("0.018") * bucket_number).exp()
            below = int(edge)
            for near in (below, below + 1):
                place = Decimal(near).ln() / Decimal("0.018")
                assert abs(place - round(place)) > Decimal("1e-10") or near == 1
            if below > previous:
                low, high = previous + 1, below
                assert bucket(low) == bucket(high) == 1 + bucket_number
                estimate = Fraction(2 * low * high, low + high)
                assert max(estimate / low - 1, 1 - estimate / high) < Fraction(9, 1000)
            previous = below


def test_each_second_is_in_the_bucket_that_the_definition_names() -> None:
    """Each first and last second of the buckets up to ten years, and all short ones."""
    edges = [int(math.exp(STEP * n)) + d for n in range(1088) for d in (-1, 0, 1, 2)]
    with localcontext(prec=50):
        for second in {*range(1, 3000), *(second for second in edges if second > 0)}:
            expected = 1 + math.ceil(Decimal(second).ln() / Decimal("0.018"))
            assert bucket_of(1_700_000_000, 1_700_000_000 + second) == expected
    assert (bucket_of(7, 7), bucket_of(None, 7)) == (0, -1)
