"""What is too deep for a record, and that all else is taken, however much there is of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.errors import Rejected
from statscache.spool.record import DEEPEST, encode, records


def nested(kinds: str, inside: Any) -> Any:
    """Return something in a list for each l, and in a dict for each d."""
    for kind in kinds:
        inside = [inside, "x"] if kind == "l" else {"[{": inside}
    return inside


@given(
    st.text("ld", min_size=1, max_size=3),
    st.integers(DEEPEST - 3, DEEPEST + 3),
    st.sampled_from(["", "[{" * 600]),
)
def test_what_is_nested_too_deeply_is_rejected(pattern: str, depth: int, other: str) -> None:
    """Exactly, in whatever order lists and dicts are in each other, whatever texts are beside them."""
    kinds = (pattern * depth)[: depth - 1]
    body = {"msg": nested(kinds, 1), "other": other, "long": "x" * 2000}
    if depth > DEEPEST:
        with pytest.raises(Rejected, match="nested too deeply"):
            encode(body)
    else:
        assert [its for _, its in records(encode(body))] == [body]


def test_much_that_is_not_deep_is_taken() -> None:
    body = {"msg": [{"n": [number]} for number in range(10 * DEEPEST)]}
    assert [its for _, its in records(encode(body))] == [body]
