"""The periods that a view shows, and the table that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from statscache.query.errors import BadQuestion
from statscache.query.figures import Figure
from statscache.query.periods import Period, Step, before, check_years, period_of, periods
from statscache.query.statistics import Statistic, schedule_of, windows_divide
from statscache.query.tables import Served
from statscache.query.view import RANGES, UTC_ZONE, View, steps_for

#: So many points a chart may have, and so many it has where nobody asks for a step.
MOST_POINTS, MANY = 2_000, 370
#: The range that is shown where nobody asks for one, by the longest that its windows may be.
DEFAULTS = ((timedelta(hours=1), "week"), (timedelta.max, "quarter"))
#: A range that begins with the first row is at least so long.
SHORTEST_ALL = timedelta(days=1)


class Change(StrEnum):
    """What a view shows otherwise than was asked for."""

    COARSER = "coarser"  # the step asked for would have made too many points
    IN_UTC = "in_utc"  # the windows do not make up days of the zone asked for


@dataclass(frozen=True)
class Frame:
    """What of a statistic is shown.

    :param view: what was asked for, with the step and the zone that are shown
    :param reach: the name of the range, None if it has none
    :param table: the one with the longest windows that make up the periods
    :param compared: the periods that these are compared with, as many; none for no comparison
    """

    statistic: Statistic
    view: View
    reach: str | None
    step: Step
    table: Served
    periods: Sequence[Period]
    compared: Sequence[Period] = ()
    changes: tuple[Change, ...] = ()

    @property
    def figure(self) -> Figure:
        """What is shown of it."""
        return self.statistic.figure(self.view.figure)


def frame_of(statistic: Statistic, view: View, now: datetime, connection: Connection) -> Frame:
    """Return what a view shows at an instant.

    :raises BadQuestion: if the statistic has no table with such windows
    """
    start, stop, reach = _range(statistic, view, now, connection)
    check_years(start, stop)
    step, table, its, changes = _periods(statistic, view, start, stop)
    if Change.IN_UTC in changes:
        view = replace(view, zone=UTC_ZONE)
    frame = Frame(statistic, view, reach, step, table, its, (), changes)
    return replace(frame, compared=_compared(frame)) if view.compare else frame


def _range(
    statistic: Statistic, view: View, now: datetime, connection: Connection
) -> tuple[datetime, datetime, str | None]:
    if view.start is not None:
        return view.start, view.stop or now, None
    reach = view.reach or default_range(statistic)
    length = RANGES[reach]
    if length is not None:
        return now - length, now, reach
    return min(_first(connection, statistic) or now, now - SHORTEST_ALL), now, reach


def default_range(statistic: Statistic) -> str:
    """Return the name of the range that is shown where nobody asks for one."""
    if statistic.finest.kind.since_ever:
        return DEFAULTS[-1][1]  # what is new is rare
    shortest = schedule_of(statistic.finest).interval
    return next(name for longest, name in DEFAULTS if shortest <= longest)


def _first(connection: Connection, statistic: Statistic) -> datetime | None:
    """Return the earliest window of a statistic."""
    first: datetime | None = connection.scalar(select(func.min(statistic.tables[0].time)))
    return None if first is None else max(first, datetime(1970, 1, 1, tzinfo=UTC))


def _periods(
    statistic: Statistic, view: View, start: datetime, stop: datetime
) -> tuple[Step, Served, list[Period], tuple[Change, ...]]:
    """Return the step, the table, the periods, and what is otherwise than was asked for."""
    most = MOST_POINTS if view.step else MANY
    for zone, changes in ((view.zone, ()), (UTC_ZONE, (Change.IN_UTC,))):
        for step in steps_for(statistic):
            if view.step is not None and list(Step).index(step) < list(Step).index(view.step):
                continue
            try:
                its = periods(start, stop, step, zone, most)
            except BadQuestion:
                continue  # too many: a coarser step has fewer
            table = next((each for each in statistic.tables if windows_divide(each, its)), None)
            if table is not None:
                coarser = (Change.COARSER,) if view.step not in (None, step) else ()
                return step, table, its, (*coarser, *changes)
    raise BadQuestion(
        "the range is too long for {statistic}: ask for a shorter one", statistic=statistic.ident
    )


def _compared(frame: Frame) -> list[Period]:
    """Return the periods that a frame's are compared with, as many as these."""
    first, count, zone = frame.periods[0], len(frame.periods), frame.view.zone
    if frame.view.compare == "year":
        return _following(_a_year_before(first, frame), count, frame)
    found: list[Period] = []
    period = first
    for _ in range(count):
        period = before(period, frame.step, zone)
        found.insert(0, period)
    return found


def _a_year_before(period: Period, frame: Frame) -> Period:
    zone = frame.view.zone
    local = datetime.fromtimestamp(period.start, zone)
    day = 28 if (local.month, local.day) == (2, 29) else local.day
    return period_of(local.replace(year=local.year - 1, day=day), frame.step, zone)


def _following(first: Period, count: int, frame: Frame) -> list[Period]:
    found = [first]
    while len(found) < count:
        found.append(period_of(datetime.fromtimestamp(found[-1].stop, UTC), frame.step, frame.view.zone))
    return found
