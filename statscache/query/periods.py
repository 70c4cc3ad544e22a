"""The minutes, hours, days, weeks, months, quarters and years of a time zone, as spans of whole seconds in UTC.

A day begins at the first instant that bears its date. So of two midnights the first begins it; where clocks skip
midnight, it begins when they do; a date that clocks skip has no day. Weeks begin on Mondays, as in ISO 8601, and all
longer periods with their first day. A minute or an hour begins whenever the clocks show a whole one, or skip it: a day
on which clocks go back has 25 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from statscache.errors import Sentence
from statscache.query.errors import BadQuestion

DAY_S = 86_400
MIDNIGHT = time()
#: What has periods. No message is older, and what is dated later than this is a slip.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class Step(StrEnum):
    """How long a period is, from the shortest."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def coarser(self) -> Step | None:
        """The next longer step, None for the longest."""
        steps = list(Step)
        place = steps.index(self) + 1
        return steps[place] if place < len(steps) else None


#: The steps that are the same in all zones whose clocks show the same minutes, in seconds.
UNITS = {Step.MINUTE: 60, Step.HOUR: 3600}
#: The shortest that a period of each step usually is, in seconds.
LENGTHS = {
    Step.MINUTE: 60,
    Step.HOUR: 3600,
    Step.DAY: DAY_S,
    Step.WEEK: 7 * DAY_S,
    Step.MONTH: 28 * DAY_S,
    Step.QUARTER: 90 * DAY_S,
    Step.YEAR: 365 * DAY_S,
}


@dataclass(frozen=True, slots=True)
class Period:
    """A period from the second `start` until just before the second `stop`, both since 1970 in UTC."""

    start: int
    stop: int


def zone_named(text: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    :raises BadQuestion: if there is none
    """
    if text not in zone_names():
        raise BadQuestion("tz must be the IANA name of a time zone, such as Europe/Berlin")
    return ZoneInfo(text)


@lru_cache(1)
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(available_timezones())


def periods(
    start: datetime, stop: datetime, step: Step, zone: ZoneInfo, most: int | None = None
) -> list[Period]:
    """Return the periods that have a part of the time from `start` to before `stop`, each whole, oldest first.

    :param most: how many there may be; None for any number
    :raises BadQuestion: if there are more, or it is before 1970 or after 9998
    """
    if start < EARLIEST or stop > LATEST:
        raise BadQuestion(
            "periods are those from 1970 to 9998: ask for a time in between with start and stop"
        )
    end = stop.timestamp()
    if most is not None and (end - start.timestamp()) / LENGTHS[step] > most * 1.5:
        raise _too_many(step, most)
    found = [period_of(start, step, zone)]
    while found[-1].stop < end:
        found.append(after(found[-1], step, zone))
        if most is not None and len(found) > most:
            raise _too_many(step, most)
    return found


def check_years(start: datetime, stop: datetime) -> None:
    """Check that there can be messages of a time.

    :raises BadQuestion: if it begins before 1970 or ends after 9998
    """
    if start < EARLIEST or stop > LATEST:
        raise BadQuestion(
            "there are messages from 1970 to 9998: ask for a time in between with start and stop"
        )


def _too_many(step: Step, most: int) -> BadQuestion:
    less = Sentence("less time with start and stop")
    coarser = Sentence("step={coarser}, or less time with start and stop", {"coarser": step.coarser})
    return BadQuestion(
        "this range has more than {most} periods of a {step}: ask for {otherwise}",
        most=most,
        step=step,
        otherwise=coarser if step.coarser else less,
    )


def period_of(instant: datetime, step: Step, zone: ZoneInfo) -> Period:
    """Return the period that an instant lies in."""
    second = int(instant.timestamp() // 1)
    return _unit_of(second, UNITS[step], zone) if step in UNITS else _dates_of(second, step, zone)


def after(period: Period, step: Step, zone: ZoneInfo) -> Period:
    """Return the period after another."""
    if step in UNITS:
        return Period(period.stop, _next_unit(period.stop, UNITS[step], zone))
    return _dates_of(period.stop, step, zone)


def before(period: Period, step: Step, zone: ZoneInfo) -> Period:
    """Return the period before another."""
    return period_of(datetime.fromtimestamp(period.start - 1, UTC), step, zone)


def divides(its: Sequence[Period], seconds: int, offset: int = 0) -> bool:
    """Return whether no window lies in two of these periods, nor partly outside of them.

    :param seconds: the length of the windows
    :param offset: some second at which one begins
    """
    return not any((period.start - offset) % seconds for period in its) and not (
        its and (its[-1].stop - offset) % seconds
    )


def _dates_of(second: int, step: Step, zone: ZoneInfo) -> Period:
    """Return the period of one day or more that a second lies in: the last that has begun."""
    first = FIRST_DATES[step](_local(second, zone).date())
    following = _next_date(first, step)
    if _start_of(following, zone) <= second:
        first, following = following, _next_date(following, step)  # clocks went back over its midnight
    start, stop = _start_of(first, zone), _start_of(following, zone)
    while stop == start:  # clocks skipped it
        following = _next_date(following, step)
        stop = _start_of(following, zone)
    return Period(start, stop)


FIRST_DATES: dict[Step, Callable[[date], date]] = {
    Step.DAY: lambda day: day,
    Step.WEEK: lambda day: day - timedelta(days=day.weekday()),
    Step.MONTH: lambda day: day.replace(day=1),
    Step.QUARTER: lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    Step.YEAR: lambda day: day.replace(month=1, day=1),
}
MONTHS = {Step.MONTH: 1, Step.QUARTER: 3, Step.YEAR: 12}


def _next_date(first: date, step: Step) -> date:
    """Return the date on which the next period begins."""
    if step not in MONTHS:
        return first + timedelta(days=1 if step is Step.DAY else 7)
    years, month = divmod(first.month - 1 + MONTHS[step], 12)
    return date(first.year + years, month + 1, 1)


@lru_cache(65_536)
def _start_of(day: date, zone: ZoneInfo) -> int:
    """Return the first second that bears a date or, where clocks skip it, a later one."""
    midnight = datetime.combine(day, MIDNIGHT, zone)
    first, other = (int(midnight.replace(fold=fold).timestamp()) for fold in (0, 1))
    if other >= first:
        return first
    # Clocks skip midnight: `other` is before they do, `first` is not.
    return _first(other, first, lambda second: _local(second, zone).date() >= day)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the first second after `low`, up to `high`, from which on something holds."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _unit_of(second: int, unit: int, zone: ZoneInfo) -> Period:
    """Return the minute or hour that a second lies in."""
    start = _floor(second, unit, zone)
    if _offset(start, zone) != _offset(second, zone):
        return next(its for its in _units_from(second - DAY_S, unit, zone) if its.stop > second)
    return Period(start, _next_unit(start, unit, zone))


def _units_from(second: int, unit: int, zone: ZoneInfo) -> Iterator[Period]:
    while _offset(_floor(second, unit, zone), zone) != _offset(second, zone):
        second -= DAY_S
    start = _floor(second, unit, zone)
    while True:
        stop = _next_unit(start, unit, zone)
        yield Period(start, stop)
        start = stop


def _floor(second: int, unit: int, zone: ZoneInfo) -> int:
    return second - (second + _offset(second, zone)) % unit


def _next_unit(start: int, unit: int, zone: ZoneInfo) -> int:
    """Return when the next minute or hour begins after one that begins at `start`."""
    offset, ahead = _offset(start, zone), start + unit - (start + _offset(start, zone)) % unit
    if _offset(ahead, zone) == offset:
        return ahead
    change = _first(start, ahead, lambda second: _offset(second, zone) != offset)
    shown = change + _offset(change, zone)
    if shown // unit > (start + offset) // unit:
        return change  # clocks have skipped the start of it
    return change + -shown % unit


def _offset(second: int, zone: ZoneInfo) -> int:
    """Return how many seconds the zone's clocks are ahead of UTC."""
    offset = _local(second, zone).utcoffset()
    assert offset is not None
    return offset.days * DAY_S + offset.seconds


def _local(second: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(second, zone)
