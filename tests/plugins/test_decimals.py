"""Values are exact whatever kind of number they are, and what is none that fits is refused in one sentence."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statscache.errors import Unstorable
from statscache.plugins.decimals import SCALE, in_billionths, written
from tests.support.measured import exact


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, "0"),
        (-7, "-7"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e22, "1" + "0" * 22),
        (1e23, "1" + "0" * 23),
        (5e-9, "0.000000005"),
        (Decimal("1.500000000000"), "1.5"),
        (Decimal("-0E+99"), "0"),
        (Decimal("1E+37"), "1" + "0" * 37),
        (10**38 - 1, "9" * 38),
        (Decimal("9" * 29 + "." + "9" * 9), "9" * 29 + "." + "9" * 9),
        (Level.HIGH, "3"),
    ],
)
def test_a_value_is_kept_as_it_is_written(value: Any, wanted: str) -> None:
    """A float counts as what `repr` writes, and zeros that say nothing are left out."""
    assert written(in_billionths(value)) == wanted


TOO_LONG = "at most 38 digits"
TOO_FINE = "at most 9 digits after the point"
NO_NUMBER = "must be an int, a float or a Decimal, not"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (10**38, TOO_LONG),
        pytest.param(-(10**5000), TOO_LONG, id="too long even to be written"),
        (1e38, TOO_LONG),
        (Decimal("1E+999999"), TOO_LONG),
        (Decimal("9" * 30 + "." + "9" * 9), TOO_LONG),
        (0.1 + 0.2, TOO_FINE),
        (1e-10, TOO_FINE),
        (Decimal("1E-999999"), TOO_FINE),
        (float("nan"), "must be a finite number, not"),
        (float("-inf"), "must be a finite number, not"),
        (Decimal("sNaN"), "must be a finite number, not"),
        (True, NO_NUMBER),
        ("1", NO_NUMBER),
        (None, NO_NUMBER),
        (1j, NO_NUMBER),
        (Fraction(1, 2), NO_NUMBER),
        ([1], NO_NUMBER),
    ],
)
def test_nothing_else_is_a_value(value: Any, why: str) -> None:
    """The sentence says what is wrong."""
    with pytest.raises(Unstorable, match=why):
        in_billionths(value)


@given(st.one_of(st.floats(), st.floats(-1e6, 1e6).map(lambda value: round(value, 9))))
@example(0.30000000000000004)
def test_floats_are_what_repr_writes(value: float) -> None:
    """Or they are refused, by the same rule as a program that looks at the digits."""
    check(value, exact("float", value))


@given(st.integers(-(10**40), 10**40))
def test_ints_of_38_digits_are_kept(value: int) -> None:
    """And no longer ones."""
    check(value, exact("int", str(value)))


@given(
    st.builds(
        lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), min_size=1, max_size=50).map(tuple),
        st.integers(-60, 60),
    )
)
def test_decimals_are_kept_exactly(value: Decimal) -> None:
    """Also those with more digits than Python's context has."""
    check(value, exact("decimal", str(value)))


def check(value: Any, wanted: Fraction | None) -> None:
    if wanted is None:
        with pytest.raises(Unstorable):
            in_billionths(value)
        return
    found = in_billionths(value)
    assert Fraction(found, SCALE) == wanted
    assert Fraction(written(found)) == wanted
