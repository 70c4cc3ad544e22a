"""How many rows tables of windows have for some time, from a sample of it.

Such a table is looked at by an index that begins with `timestamp`, in slices spread evenly over the time, so that each
hour of the day and each day of the week is met. The slices grow until they hold `ENOUGH` rows, or are all of the time:
so what is small is counted, and of what is large little is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import CANCELLED, DENIED, is_locked_out, state_of

#: In so many slices, and in fewer where windows hold so much that these have more than `MOST` rows.
SLICES, FEWER = 120, (24, 4)
#: Slices with so many rows tell enough, and no more than so many rows are read in one look.
ENOUGH, MOST = 5_000, 100_000
#: How long in seconds one look may take.
PATIENCE_S = 5
NOT_READABLE = "this role may not read it"

#: Nothing but the index may find the rows, however many the planner believes there are.
BY_INDEX = text(
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; "
    f"SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '{PATIENCE_S}s'"
)
SLICED = """
WITH span AS MATERIALIZED (
    SELECT unnest(range_agg(tstzrange(start, start + :length)) * CAST(:times AS tstzmultirange)) AS span
    FROM unnest(:starts) AS start
)
SELECT (SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::float FROM span),
    (SELECT count(*) FROM (
        SELECT FROM span CROSS JOIN LATERAL (
            SELECT FROM {table} WHERE timestamp >= lower(span) AND timestamp < upper(span) LIMIT :most
        ) AS each LIMIT :most
    ) AS found)
"""


@dataclass(frozen=True)
class Estimate:
    """How many rows a table has for some time.

    :param rows: None if that is not known
    :param share: of the time, what part was looked at; 1 if all rows were counted
    :param least: whether there are more rows, and how many more is not known
    :param reason: why it is not known
    """

    rows: float | None = None
    share: float = 0.0
    least: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Stretch:
    """Some time of a table of windows.

    :param sql: the table's name in SQL
    :param interval: the length of its windows in seconds
    :param start: when the first of the time begins
    :param stop: when the last of it ends
    :param times: the time, as PostgreSQL writes a multirange
    :param seconds: how long it is, without what is between
    """

    sql: str
    interval: float
    start: datetime
    stop: datetime
    times: str
    seconds: float


def estimated(connection: Connection, look: Callable[[], Estimate]) -> Estimate:
    """Return what a look at a table tells, or why nobody can have a look."""
    try:
        with connection.begin_nested():
            connection.execute(BY_INDEX)
            return look()
    except DBAPIError as error:
        if is_locked_out(error):
            return Estimate(reason="somebody holds it alone")
        if state_of(error) == CANCELLED:
            return Estimate(reason=f"to look takes longer than {PATIENCE_S} s")
        if state_of(error) == DENIED:
            return Estimate(reason="this role may not read what tells it")
        raise


def estimate(connection: Connection, its: Stretch) -> Estimate:
    """Return about how many rows a table has for some time, reading at most a few times `MOST` entries of its index."""
    for starts, length in _slices(its):
        seconds, rows = _look(connection, its, starts, length)
        if rows >= min(ENOUGH, MOST) or seconds >= its.seconds:
            break
    for number in FEWER:
        if rows >= MOST:
            starts = starts[:: max(1, len(starts) // number)]
            seconds, rows = _look(connection, its, starts, length)
    if not seconds:
        return Estimate(reason="too little of the time is complete")
    share = min(1.0, seconds / its.seconds)
    return Estimate(rows * its.seconds / seconds, share, rows >= MOST)


def _slices(its: Stretch) -> Iterator[tuple[list[datetime], timedelta]]:
    """Yield slices of the time, short ones first, and at last all of it."""
    whole = (its.stop - its.start).total_seconds()
    room = max(whole / SLICES, its.interval)
    number = max(1, int(whole // room))
    length = max(its.interval, 1.0)
    while length <= room:
        places = (room * n + _spread(n) * (room - length) for n in range(number))
        yield [its.start + timedelta(seconds=place) for place in places], timedelta(seconds=length)
        length *= 10
    yield [its.start], its.stop - its.start


def _spread(number: int) -> float:
    """Return where in its part of the time a slice is, from 0 to 1: each the golden ratio on from the one before."""
    return number * 0.6180339887 % 1


def _look(
    connection: Connection, its: Stretch, starts: Sequence[datetime], length: timedelta
) -> tuple[float, int]:
    """Return how long the slices are as far as they are of the time, and how many rows they hold, up to `MOST`."""
    statement = text(SLICED.format(table=its.sql.replace(":", r"\:"))).bindparams(
        bindparam("starts", type_=ARRAY(TIMESTAMP(timezone=True)))
    )
    given = {"starts": list(starts), "length": length, "times": its.times, "most": MOST}
    seconds, rows = connection.execute(statement, given).one()
    return seconds, rows
