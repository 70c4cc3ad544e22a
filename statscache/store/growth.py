"""How fast tables of windows grow: how many rows they got for the last 30 complete days.

Such a table is looked at by an index that begins with `timestamp`, in slices spread evenly over that time, so that each
hour of the day and each day of the week is met. The slices grow until they hold `ENOUGH` rows, or are all of the time:
so what is small is counted, and of what is large little is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import CANCELLED, is_locked_out, state_of

#: The time that is looked at ends with the last day in UTC, and is so long.
MONTH = timedelta(days=30)
#: In so many slices, and in fewer where windows hold so much that these have more than `MOST` rows.
SLICES, FEWER = 120, (24, 4)
#: Slices with so many rows tell enough, and no more than so many rows are read in one look.
ENOUGH, MOST = 5_000, 100_000
#: How long in seconds one look may take.
PATIENCE_S = 5
#: Of a younger table is not known how it grows.
YOUNG = timedelta(days=1)

#: The tables whose first column of an index is the window's start, with what their plugins have covered.
GROWING = text("""
SELECT c.oid::bigint, c.oid::regclass::text, its.seconds, its.times::text,
    has_table_privilege(c.oid, 'SELECT') AS readable, coalesce(its.covered, 0) AS covered
FROM (
    SELECT tables[1] AS name, max(extract(epoch FROM "interval"))::float AS seconds,
        range_intersect_agg(known) AS times,
        (SELECT sum(extract(epoch FROM upper(span) - lower(span)))::float
        FROM unnest(range_intersect_agg(known)) AS span) AS covered
    FROM statscache_plugin JOIN statscache_coverage ON plugin = ident
    CROSS JOIN LATERAL (SELECT covered * tstzmultirange(tstzrange(:start, :stop)) AS known) AS each
    WHERE "interval" IS NOT NULL GROUP BY tables[1]
) AS its
JOIN pg_class AS c ON c.oid = to_regclass('"' || replace(replace(its.name, '"', '""'), '.', '"."') || '"')
WHERE EXISTS (
    SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = c.oid AND indisprimary AND attname = 'timestamp' AND atttypid = 'timestamptz'::regtype
)
""")
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
class Growth:
    """How fast a table grows.

    :param rows: for 30 days; None if that is not known
    :param share: of the time that is complete, what part was looked at; 1 if all rows were counted
    :param least: whether there are more rows, and how many more is not known
    :param reason: why it is not known
    """

    rows: float | None = None
    share: float = 0.0
    least: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Growing:
    """A table of windows.

    :param sql: its name in SQL
    :param interval: the length of its windows in seconds
    :param times: the complete time of the last 30 days, as PostgreSQL writes a multirange
    :param covered: how long that is, in seconds
    """

    oid: int
    sql: str
    interval: float
    times: str
    readable: bool
    covered: float


def growing_tables(connection: Connection, now: datetime) -> list[Growing]:
    """Return the tables whose growth can be looked at.

    :param now: by the database's clock
    """
    start, stop = month_before(now)
    found = connection.execute(GROWING, {"start": start, "stop": stop})
    return [
        Growing(oid, sql, seconds, times, readable, covered)
        for oid, sql, seconds, times, readable, covered in found
    ]


def month_before(now: datetime) -> tuple[datetime, datetime]:
    """Return the start and the end of the 30 days before a day in UTC."""
    stop = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return stop - MONTH, stop


def growth_of(connection: Connection, table: Growing, now: datetime) -> Growth:
    """Look how fast a table grows, reading at most a few times `MOST` entries of its index."""
    if not table.readable:
        return Growth(reason="this role may not read it")
    if table.covered < YOUNG.total_seconds():
        return Growth(reason="less than a day of the last 30 is complete")
    try:
        with connection.begin_nested():
            return _measure(connection, table, now)
    except DBAPIError as error:
        if is_locked_out(error):
            return Growth(reason="somebody holds it alone")
        if state_of(error) == CANCELLED:
            return Growth(reason=f"to look takes longer than {PATIENCE_S} s")
        raise


def _measure(connection: Connection, table: Growing, now: datetime) -> Growth:
    connection.execute(BY_INDEX)
    for starts, length in _slices(table.interval, now):
        seconds, rows = _look(connection, table, starts, length)
        if rows >= min(ENOUGH, MOST) or seconds >= table.covered:
            break
    for number in FEWER:
        if rows >= MOST:
            starts = starts[:: max(1, len(starts) // number)]
            seconds, rows = _look(connection, table, starts, length)
    if not seconds:
        return Growth(reason="too little of the last 30 days is complete")
    share = min(1.0, seconds / table.covered)
    return Growth(rows * MONTH.total_seconds() / seconds, share, rows >= MOST)


def _slices(interval: float, now: datetime) -> Iterator[tuple[list[datetime], timedelta]]:
    """Yield slices of the last 30 days, short ones first, and at last all of that time."""
    start, stop = month_before(now)
    room = max((stop - start).total_seconds() / SLICES, interval)
    number = max(1, int((stop - start).total_seconds() // room))
    length = max(interval, 1.0)
    while length <= room:
        places = (room * n + _spread(n) * (room - length) for n in range(number))
        yield [start + timedelta(seconds=place) for place in places], timedelta(seconds=length)
        length *= 10
    yield [start], stop - start


def _spread(number: int) -> float:
    """Return where in its part of the time a slice is, from 0 to 1: each the golden ratio on from the one before."""
    return number * 0.6180339887 % 1


def _look(
    connection: Connection, table: Growing, starts: Sequence[datetime], length: timedelta
) -> tuple[float, int]:
    """Return how long the slices are as far as they are complete, and how many rows they hold, up to `MOST`."""
    statement = text(SLICED.format(table=table.sql.replace(":", r"\:"))).bindparams(
        bindparam("starts", type_=ARRAY(TIMESTAMP(timezone=True)))
    )
    given = {"starts": list(starts), "length": length, "times": table.times, "most": MOST}
    seconds, rows = connection.execute(statement, given).one()
    return seconds, rows
