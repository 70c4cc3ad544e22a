"""Spans are sets of seconds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from statscache.span import Span, clipped, less, without

ends = st.tuples(st.integers(-20, 60), st.integers(1, 20))
spans = st.lists(ends.map(lambda its: Span(its[0], its[0] + its[1])), max_size=8)


def seconds(spans: list[Span]) -> set[int]:
    return {second for span in spans for second in range(span.start, span.stop)}


def check(found: list[Span], expected: set[int]) -> None:
    """Check which seconds spans are, and that they are in order and none touches another."""
    assert seconds(found) == expected
    assert all(one.stop < other.start for one, other in pairwise(found))


@given(spans, spans)
def test_what_is_in_both_and_what_is_only_in_one(some: list[Span], others: list[Span]) -> None:
    """Whether they overlap, touch, or have nothing in common, and before 1970, too."""
    operations: list[tuple[Callable[..., list[Span]], set[int]]] = [
        (clipped, seconds(some) & seconds(others)),
        (less, seconds(some) - seconds(others)),
    ]
    for operation, expected in operations:
        check(operation(iter(some), iter(others)), expected)


@given(spans)
def test_what_is_left_of_one(others: list[Span]) -> None:
    """In whatever order the others come."""
    check(without(Span(0, 50), others), set(range(50)) - seconds(others))
