"""Where on a chart a number lies, and which numbers its axis names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: The steps of an axis, times a power of ten.
NICE = (1.0, 2.0, 5.0, 10.0)
#: About how many lines a scale has.
LINES = 5
DAY_S = 86_400.0
#: The steps of an axis of durations in seconds, from one second up to a day.
NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY_S)
#: What an axis of durations names where it is logarithmic, in seconds: up to a day, and then powers of ten of days.
POWERS_S = (1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0)


@dataclass(frozen=True)
class Scale:
    """A scale from zero, or from a power of ten where it is logarithmic, up to a number.

    :param top: the greatest number on it
    :param log: whether it is logarithmic; then zero lies at its foot
    :param ticks: the numbers that the axis names, from below
    :param foot: the least number on it: where it is logarithmic, that which lies where zero does
    """

    top: float
    log: bool
    ticks: tuple[float, ...]
    foot: float = 0.0

    def share(self, value: float) -> float:
        """Return how far up a number lies: 0 is the foot, 1 the top."""
        if not self.log:
            return (value - self.foot) / (self.top - self.foot)
        return math.log10(value / self.foot) / math.log10(self.top / self.foot) if value > self.foot else 0.0


def nice_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not less than this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in NICE if nice * power >= least * (1 - 1e-9))


def nice_seconds(least: float) -> float:
    """Return the smallest step of an axis of durations that is not less than so many seconds."""
    if least <= NICE_S[0]:
        return nice_step(least)
    if least > DAY_S:
        return DAY_S * nice_step(least / DAY_S)
    return next(float(nice) for nice in NICE_S if nice >= least * (1 - 1e-9))


def scale_for(
    values: Iterable[float], log: bool = False, whole: bool = True, step: Callable[[float], float] = nice_step
) -> Scale:
    """Return a scale that has room for some numbers; it is not logarithmic if one of them is below zero.

    :param whole: whether its ticks are whole numbers
    :param step: gives the step of an axis that is not less than a number
    """
    its = [*values]
    least, greatest = min(its, default=0), max(its, default=0)
    if log and least >= 0:
        low = 1.0 if whole else min((value for value in its if value > 0), default=1.0)
        return _logarithmic(low, greatest or 1, step)
    return _linear(min(least, 0), max(greatest, 0), whole, step)


def _linear(least: float, greatest: float, whole: bool, step_of: Callable[[float], float]) -> Scale:
    if least == greatest:
        greatest = 1
    step = step_of((greatest - least) / LINES)
    if whole:
        step = max(1.0, step)
    first, last = (math.ceil(each / step - 1e-9) for each in (-least, greatest))
    ticks = tuple(step * place for place in range(-first, last + 1))
    return Scale(step * last, False, ticks, -step * first if first else 0.0)


def _logarithmic(least: float, greatest: float, step_of: Callable[[float], float]) -> Scale:
    """Return a scale on which the least power lies a little above the foot, so that it is told from zero."""
    if step_of is nice_seconds:
        powers = [*POWERS_S, *(DAY_S * 10.0**power for power in range(16))]
    else:
        first = math.floor(math.log10(least) + 1e-9)
        last = max(first + 1, math.ceil(math.log10(greatest) - 1e-9))
        powers = [10.0**power for power in range(first, last + 1)]
    low = max((place for place, power in enumerate(powers) if power <= least * (1 + 1e-9)), default=0)
    high = next(place for place, power in enumerate(powers) if place > low and power >= greatest * (1 - 1e-9))
    skip = math.ceil((high - low) / 6)
    return Scale(powers[high], True, (0.0, *powers[low : high + 1 : skip]), powers[low] / 2)
