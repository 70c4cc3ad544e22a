"""Of which time each row of an answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from statscache.instants import END_OF_TIME
from statscache.query.columns import micros
from statscache.query.kinds import TIME
from statscache.query.periods import Period
from statscache.query.statistics import schedule_of
from statscache.query.tables import Served
from statscache.span import Span

#: The second since which a table is to have every message of which there is history.
HISTORY_FROM = text(
    "SELECT extract(epoch FROM min(greatest(history_from, to_timestamp(0))))::bigint FROM statscache_freshness "
    "WHERE table_name = :table"
)
#: The second that a time begins with, and that which it ends before; None if nobody knows.
Extent = tuple[int, int] | None
#: Takes a row.
ExtentOf = Callable[[Any], Extent]
MILLION = 1_000_000
#: Time that is younger need not be complete yet: twice the default of statscache.coverage.lateness.
TOO_YOUNG = timedelta(minutes=10)


def extent_of_rows(
    connection: Connection,
    served: Served,
    values: Mapping[str, Any],
    periods: Sequence[Period] | None,
    now: datetime,
) -> ExtentOf:
    """Return what gives the time of which no message may be missing for a row of an answer to be complete.

    A sum of everything under a key is of the whole range, from the first row on where there is no start, and to the
    end of time where there is no stop.

    :param periods: what is summed, if a step is asked for
    """
    if served.latest:
        return lambda row: extent_of_state(row.timestamp, now)
    since, of_row = _since(connection, served), _extent_of_rows(connection, served, values, periods)

    def extent_of(row: Any) -> Extent:
        its = of_row(row)
        return None if its is None else (min(since, its[0]), its[1])

    return extent_of


def extent_of_state(when: datetime, now: datetime) -> tuple[int, int]:
    """Return the time of which no message may be missing for a state to be the latest of its thing.

    :param when: when it was announced; of the time since then it is left out what is `TOO_YOUNG`
    """
    second = micros(when) // MILLION
    return second, max(second + 1, micros(now - TOO_YOUNG) // MILLION)


def spans_behind(connection: Connection, served: Served, periods: Sequence[Period]) -> list[Span]:
    """Return the time of which no message may be missing for the figures of each period to be complete."""
    since = _since(connection, served)
    return [Span(min(since, period.start), period.stop) for period in periods]


def extent_of_windows(connection: Connection, served: Served) -> Callable[[int], tuple[int, int]]:
    """Return what gives the time of which the row of a window needs every message, by the second that it starts at."""
    since, length = _since(connection, served), schedule_of(served).seconds
    return lambda start: (min(since, start), start + length)


def _since(connection: Connection, served: Served) -> int:
    """Return the second since which figures need all time, or the end of time if they need only their own."""
    if not served.kind.since_ever:
        return END_OF_TIME
    since: int | None = connection.scalar(HISTORY_FROM, {"table": served.table.fullname})
    return END_OF_TIME if since is None else since


def _extent_of_rows(
    connection: Connection, served: Served, values: Mapping[str, Any], periods: Sequence[Period] | None
) -> ExtentOf:
    """Return what gives the time that a row of an answer is of."""
    if periods is not None:
        ends = {period.start: period.stop for period in periods}
        return lambda row: _of_period(row.timestamp, ends)
    seconds = schedule_of(served).seconds
    if values.get("group", "timestamp") != "timestamp":
        whole = _range(connection, served, values, seconds)
        return lambda row: whole
    time = TIME if "group" in values or "top" in values else served.time.name
    return lambda row: _of_window(getattr(row, time), seconds)


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
    first = values.get("start") or connection.scalar(select(func.min(served.time)))
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
