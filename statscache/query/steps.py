"""The periods of a step that an answer sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from statscache.errors import Sentence
from statscache.query.errors import BadQuestion
from statscache.query.periods import EARLIEST, Period, Step, period_of, periods
from statscache.query.statistics import schedule_of, statistics, windows_divide
from statscache.query.tables import Served

#: How many periods an answer may have.
MOST_PERIODS = 2_000
SECOND = timedelta(seconds=1)
IN_UTC = ZoneInfo("UTC")


def families(tables: Mapping[str, Served]) -> dict[str, tuple[Served, ...]]:
    """Return the tables of the same statistic for each table of windows, those with the longest windows first."""
    return {table.ident: each.tables for each in statistics(tables).values() for table in each.tables}


def present_period(values: Mapping[str, Any], now: datetime) -> Period | None:
    """Return the period of the present, on which an answer depends unless it has a stop; None if it does not.

    :raises BadQuestion: if there is a time zone and no step
    """
    if "step" not in values and "tz" in values:
        raise BadQuestion("tz is the time zone in which a step begins: give step, too, or leave out tz")
    if "step" not in values or "stop" in values:
        return None
    return period_of(now, Step(values["step"]), values.get("tz", IN_UTC))


def asked_periods(
    connection: Connection, family: Sequence[Served], served: Served, values: Mapping[str, Any], now: datetime
) -> tuple[Period, ...]:
    """Return the periods that are asked for, oldest first.

    :param family: the tables of the same statistic, those with the longest windows first
    :raises BadQuestion: if there are too many, or the table's windows do not make them up
    """
    step, zone = Step(values["step"]), values.get("tz", IN_UTC)
    stop = values.get("stop") or now + SECOND
    start = values["start"] if "start" in values else _first(connection, served, stop)
    if start >= stop:
        return ()
    its = periods(start, stop, step, zone, MOST_PERIODS)
    if not windows_divide(served, its):
        raise _not_made_up(family, served, its, step, zone)
    return tuple(its)


def _first(connection: Connection, served: Served, stop: datetime) -> datetime:
    """Return the time of the first row before `stop`, or a second before it."""
    column = served.time
    first: datetime | None = connection.scalar(select(func.min(column)).where(column < stop))
    return stop - SECOND if first is None else max(first.astimezone(UTC), EARLIEST)


def _not_made_up(
    family: Sequence[Served], served: Served, its: Sequence[Period], step: Step, zone: ZoneInfo
) -> BadQuestion:
    """Return the refusal, which names the table with the longest windows that make up these periods."""
    finer = next((table.ident for table in family if windows_divide(table, its)), None)
    otherwise = Sentence("no table of it has shorter ones that do: ask for another step or tz")
    return BadQuestion(
        "the windows of {table} are those of {length} in UTC, which do not make up each {step} of {zone} in this "
        "range: {otherwise}",
        table=served.ident,
        length=schedule_of(served),
        step=step,
        zone=zone.key,
        otherwise=Sentence("ask {path}", {"path": f"/api/{finer}"}) if finer else otherwise,
    )
