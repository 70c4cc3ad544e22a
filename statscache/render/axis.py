"""Which periods an axis of time names, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from statscache.query.periods import Period, Step
from statscache.render.language import Language

#: At most so many names stand on an axis.
MOST_NAMES = 9
#: On a narrow screen a name has room only so far from the one before it, as a share of the axis.
NARROW = 0.22


@dataclass(frozen=True)
class Name:
    """What stands at the start of a period.

    :param place: the number of the period
    :param minor: whether a narrow screen leaves it out
    """

    place: int
    text: str
    minor: bool


@dataclass(frozen=True)
class Rhythm:
    """Names the periods with whose start something changes.

    :param sign: what has to differ from that of the period before
    :param skeleton: what to say
    """

    sign: Callable[[datetime], object]
    skeleton: str


def every_minutes(minutes: int) -> Rhythm:
    """Return what names times of day."""
    return Rhythm(lambda local: (local.date(), (local.hour * 60 + local.minute) // minutes), "Hm")


def every_days(days: int) -> Rhythm:
    """Return what names dates; weeks begin on Mondays, since the first day of the calendar was one."""
    return Rhythm(lambda local: (local.toordinal() - 1) // days, "MMMd")


def every_months(months: int) -> Rhythm:
    """Return what names months."""
    return Rhythm(lambda local: (local.year, (local.month - 1) // months), "yMMM")


def every_years(years: int) -> Rhythm:
    """Return what names years."""
    return Rhythm(lambda local: local.year // years, "y")


#: From the finest to the coarsest: the first that gives few enough names is taken.
RHYTHMS = (
    *map(every_minutes, (1, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *map(every_days, (1, 2, 7, 14)),
    *map(every_months, (1, 3)),
    *map(every_years, (1, 2, 5, 10, 20, 50, 100, 1000)),
)


def names(periods: Sequence[Period], step: Step, zone: ZoneInfo, language: Language) -> list[Name]:
    """Return what an axis says of these periods."""
    locals_ = [datetime.fromtimestamp(period.start, zone) for period in periods]
    for rhythm in RHYTHMS:
        if rhythm.skeleton == "Hm" and step not in (Step.MINUTE, Step.HOUR):
            continue
        places = _changes(locals_, rhythm)
        if len(places) <= MOST_NAMES:
            stay = _far_apart(places, NARROW * len(periods))
            return [
                Name(place, language.skeleton(rhythm.skeleton, periods[place].start, zone), place not in stay)
                for place in places
            ]
    return []


def _far_apart(places: Sequence[int], distance: float) -> set[int]:
    """Return the first of the places, and each that is at least so far from the last one before it."""
    stay = [places[0]]
    for place in places[1:]:
        if place - stay[-1] >= distance:
            stay.append(place)
    return set(stay)


def _changes(locals_: Sequence[datetime], rhythm: Rhythm) -> list[int]:
    """Return the numbers of the periods that begin something; the first does so for sure only if it is alone."""
    signs = [rhythm.sign(local) for local in locals_]
    found = [place for place in range(1, len(signs)) if signs[place] != signs[place - 1]]
    return found if found else [0]
