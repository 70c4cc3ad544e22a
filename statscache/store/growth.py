"""How fast tables of windows grow: how many rows they got for the last 30 complete days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from statscache.database.relations import REGCLASS
from statscache.store.sample import NOT_READABLE, Estimate, Stretch, estimate, estimated

#: The time that is looked at ends with the last day in UTC, and is so long.
MONTH = timedelta(days=30)
#: Of a younger table is not known how it grows.
YOUNG = timedelta(days=1)

#: The tables whose first column of an index is the window's start, with what their plugins have covered.
GROWING = text(f"""
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
JOIN pg_class AS c ON c.oid = {REGCLASS.format("its.name")}
WHERE EXISTS (
    SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = c.oid AND indisprimary AND attname = 'timestamp' AND atttypid = 'timestamptz'::regtype
)
""")


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


def growth_of(connection: Connection, table: Growing, now: datetime) -> Estimate:
    """Look how fast a table grows: how many rows it has for 30 days, however much of that time is complete."""
    if not table.readable:
        return Estimate(reason=NOT_READABLE)
    if table.covered < YOUNG.total_seconds():
        return Estimate(reason="less than a day of the last 30 is complete")
    start, stop = month_before(now)
    complete = Stretch(table.sql, table.interval, start, stop, table.times, table.covered)
    found = estimated(connection, lambda: estimate(connection, complete))
    if found.rows is None:
        return found
    return replace(found, rows=found.rows * MONTH.total_seconds() / table.covered)
