"""Of which time each row of an answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from statscache.instants import END_OF_TIME
from statscache.query.columns import micros
from statscache.query.periods import Period
from statscache.query.statistics import schedule_of
from statscache.query.tables import Served

#: The second that a time begins with, and that which it ends before; None if nobody knows.
Extent = tuple[int, int] | None
#: Takes a row.
ExtentOf = Callable[[Any], Extent]
MILLION = 1_000_000


def extent_of_rows(
    connection: Connection, served: Served, values: Mapping[str, Any], periods: Sequence[Period] | None
) -> ExtentOf:
    """Return what gives the time that a row of an answer is of.

    A sum of everything under a key is of the whole range, from the first row on where there is no start, and to the
    end of time where there is no stop.

    :param periods: what is summed, if a step is asked for
    """
    if periods is not None:
        ends = {period.start: period.stop for period in periods}
        return lambda row: _of_period(row.timestamp, ends)
    seconds = schedule_of(served).seconds
    if values.get("group", "timestamp") != "timestamp":
        whole = _range(connection, served, values, seconds)
        return lambda row: whole
    return lambda row: _of_window(row.timestamp, seconds)


def _of_period(start: datetime, ends: Mapping[int, int]) -> Extent:
    second = micros(start) // MILLION
    return second, ends[second]


def _of_window(start: datetime | None, seconds: int) -> Extent:
    if start is None:
        return None
    first, rest = divmod(micros(start), MILLION)
    return first, first + bool(rest) + seconds


def _range(connection: Connection, served: Served, values: Mapping[str, Any], seconds: int) -> Extent:
    """Return the time of the windows that begin in the range that is asked for."""
    first = values.get("start") or connection.scalar(select(func.min(served.table.c.timestamp)))
    if first is None:
        return None
    start = _window_from(first, served, seconds)
    stop = _window_from(values["stop"], served, seconds) if "stop" in values else END_OF_TIME
    return (start, stop) if start < stop else None


def _window_from(instant: datetime, served: Served, seconds: int) -> int:
    """Return the start of the first window that does not begin before an instant."""
    offset = int(schedule_of(served).epoch.timestamp()) % seconds
    second = -(-micros(instant) // MILLION)
    return second + (offset - second) % seconds
