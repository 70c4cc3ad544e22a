"""Where on a chart a number lies, and which numbers its axis names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: The steps of an axis, times a power of ten.
NICE = (1.0, 2.0, 5.0, 10.0)
#: About how many lines a scale has.
LINES = 5


@dataclass(frozen=True)
class Scale:
    """A scale from zero, or from one where it is logarithmic, up to a number.

    :param top: the greatest number on it
    :param log: whether it is logarithmic; then zero lies at its foot
    :param ticks: the numbers that the axis names, from below
    """

    top: float
    log: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return how far up a number lies: 0 is the foot, 1 the top."""
        if not self.log:
            return value / self.top
        # One lies a little above the foot, so that it is told from zero.
        return math.log10(value * 2) / math.log10(self.top * 2) if value >= 1 else 0.0


def scale_for(values: Iterable[float], log: bool = False, whole: bool = True) -> Scale:
    """Return a scale that has room for some numbers, none of which is below zero.

    :param whole: whether its ticks are whole numbers
    """
    greatest = max(values, default=0) or 1
    return _logarithmic(greatest) if log else _linear(greatest, whole)


def _linear(greatest: float, whole: bool) -> Scale:
    step = nice_step(greatest / LINES)
    if whole:
        step = max(1.0, step)
    count = math.ceil(greatest / step - 1e-9)
    return Scale(step * count, False, tuple(step * place for place in range(count + 1)))


def _logarithmic(greatest: float) -> Scale:
    decades = max(1, math.ceil(math.log10(greatest) - 1e-9))
    skip = math.ceil(decades / 6)
    return Scale(10.0**decades, True, (0.0, *(10.0**power for power in range(0, decades + 1, skip))))


def nice_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not less than this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in NICE if nice * power >= least * (1 - 1e-9))
