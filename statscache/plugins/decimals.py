"""Numbers that add up exactly: decimals as whole numbers of billionths."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from statscache.errors import Unstorable
from statscache.plugins.keys import shortened

#: How many digits a value may have after the point, and in all, when it is written out without an exponent.
PLACES = 9
DIGITS = 38
#: How many billionths one is.
SCALE: int = 10**PLACES
#: An int has more digits from here on.
BEYOND: int = 10**DIGITS


def in_billionths(value: Any) -> int:
    """Return how many billionths a value is.

    :param value: an int, a Decimal, or a float, which counts as the decimal that `repr` writes
    :raises Unstorable: if it is anything else, is not finite, or has too many digits
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if not -BEYOND < value < BEYOND:
            raise _too_long("this int")
        return int(value) * SCALE
    if isinstance(value, float):
        return _billionths_of(Decimal(float.__repr__(value)))
    if isinstance(value, Decimal):
        return _billionths_of(value)
    raise Unstorable(f"a value must be an int, a float or a Decimal, not {shortened(value)}")


def _billionths_of(value: Decimal) -> int:
    if not value.is_finite():
        raise Unstorable(f"a value must be a finite number, not {shortened(value)}")
    if not value:
        return 0
    if value.adjusted() >= DIGITS:
        raise _too_long(shortened(value))
    billionths, rest = (0, 1) if value.adjusted() < -PLACES else _divided(value)
    if rest:
        raise Unstorable(
            f"a value may have at most {PLACES} digits after the point, not those of {shortened(value)}: round it"
        )
    if len(written(abs(billionths)).replace(".", "").lstrip("0")) > DIGITS:
        raise _too_long(shortened(value))
    return billionths


def _divided(value: Decimal) -> tuple[int, int]:
    numerator, denominator = value.as_integer_ratio()
    return divmod(numerator * SCALE, denominator)


def _too_long(what: str) -> Unstorable:
    return Unstorable(f"a value may have at most {DIGITS} digits, and {what} has more")


def written(billionths: int) -> str:
    """Return so many billionths as a decimal, without needless zeros."""
    whole, rest = divmod(abs(billionths), SCALE)
    sign = "-" if billionths < 0 else ""
    return f"{sign}{whole}.{rest:0{PLACES}}".rstrip("0").rstrip(".") if rest else f"{sign}{whole}"
