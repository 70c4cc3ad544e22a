"""What people have removed from the tables of plugins by hand, which is never complete again.

Triggers insert what a statement removes, and write nothing else: no flush waits for somebody's open transaction. What
no trigger sees, such as a table that is dropped, is known by the relation that a table was when it was last looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Identity, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import OID, TSTZMULTIRANGE, TSTZRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.channels import HAS_ROOM, told_of
from statscache.errors import number_of
from statscache.plugins import Base
from statscache.span import Span


class RemovedRow(Base):
    """What was removed at once."""

    __tablename__ = "statscache_removed"
    __table_args__ = (
        {"comment": "What somebody has removed from a table by hand: that time is not complete any more"},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True, comment="a number for this row")
    table_name: Mapped[str] = mapped_column(comment="the table")
    times: Mapped[Any] = mapped_column(TSTZMULTIRANGE, comment="the windows of which rows are gone")
    rows: Mapped[int | None] = mapped_column(comment="how many rows are gone; null if nobody knows")
    how: Mapped[str] = mapped_column(comment="the statement, such as DELETE, UPDATE, TRUNCATE or DROP")
    who: Mapped[str | None] = mapped_column(comment="the role that ran it; null if nobody knows")
    noted: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when this was written"
    )


class RelationRow(Base):
    """A relation that a table of a plugin consists of: itself, and each of its partitions."""

    __tablename__ = "statscache_relation"
    __table_args__ = (
        {"comment": "What each table of a plugin was when it was last looked at, so that a DROP is noticed"},
    )

    table_name: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's table")
    relation: Mapped[int] = mapped_column(
        OID, primary_key=True, autoincrement=False, comment="the OID of it or a partition; 0 if it is missing"
    )
    schema_name: Mapped[str] = mapped_column(comment="the schema that this is in")
    name: Mapped[str] = mapped_column(comment="its name")
    partition: Mapped[bool] = mapped_column(comment="whether it is a partition of the table")
    times: Mapped[Any] = mapped_column(TSTZRANGE, comment="which rows it can have, by their timestamp")
    filenode: Mapped[int | None] = mapped_column(comment="the number of its file; null if it has none")
    oldest: Mapped[datetime | None] = mapped_column(
        comment="the timestamp of a row that was among its oldest; null if it had none"
    )
    home: Mapped[int] = mapped_column(
        OID, comment="the OID that statscache_relation had, which is another one after a restore"
    )


#: The relations that are not there any more, of which that is not noted yet, or that have not come back.
LOST = """
SELECT table_name, times FROM statscache_relation AS known
WHERE known.home = 'statscache_relation'::regclass AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = known.relation AND (c.relispartition
        OR (NOT known.partition AND c.relname = known.name AND n.nspname = known.schema_name))
)
"""
#: What is gone, for each table of which anything is. Of a relation that is lost that is all, and for as long as it is.
#: What is gone from a table beside that of a plugin's figures matters to those for as long after as the plugin reaches.
REMOVED = f"""
SELECT table_name, range_agg(part) AS removed FROM (
    WITH gone AS (
        SELECT table_name, unnest(times) AS part FROM statscache_removed UNION ALL {LOST}
    )
    SELECT table_name, part FROM gone UNION ALL
    SELECT tables[1], tstzrange(lower(part), upper(part) + coalesce(reach, interval '0 seconds'))
    FROM gone JOIN statscache_plugin ON table_name = ANY (tables[2:])
) AS each GROUP BY table_name
"""
PARTS = text(f"""
SELECT table_name, floor(extract(epoch FROM greatest(lower(part), to_timestamp(:start))))::bigint,
    ceil(extract(epoch FROM least(upper(part), to_timestamp(:stop))))::bigint
FROM ({REMOVED}) AS gone,
    unnest(removed * tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))) AS part
WHERE table_name = ANY(:tables) ORDER BY part
""")
NOTE = text(f"""
WITH noted AS (
    INSERT INTO statscache_removed (table_name, times, how)
    SELECT :table, tstzmultirange(CAST(:times AS tstzrange) * tstzrange(:start, :stop)), :how
    WHERE NOT isempty(CAST(:times AS tstzrange) * tstzrange(:start, :stop))
    RETURNING table_name
)
SELECT {told_of("table_name")} FROM noted WHERE {HAS_ROOM}
""")
#: Puts into one row what the same role has removed from a table in the same way, unless it was of late.
FOLD = text("""
WITH alike AS (
    SELECT table_name, how, who FROM statscache_removed WHERE noted < now() - interval '1 day'
    GROUP BY table_name, how, who HAVING count(*) > 1
), old AS (
    DELETE FROM statscache_removed AS each USING alike
    WHERE each.table_name = alike.table_name AND each.how = alike.how AND each.who IS NOT DISTINCT FROM alike.who
        AND noted < now() - interval '1 day'
    RETURNING each.*
), summed AS (
    SELECT table_name, how, who, sum(rows)::bigint AS rows, max(noted) AS noted FROM old GROUP BY table_name, how, who
), united AS (
    SELECT table_name, how, who, range_agg(part) AS times FROM old, unnest(times) AS part GROUP BY table_name, how, who
)
INSERT INTO statscache_removed (table_name, times, rows, how, who, noted)
SELECT table_name, times, summed.rows, how, summed.who, noted FROM summed JOIN united USING (table_name, how)
WHERE summed.who IS NOT DISTINCT FROM united.who
""")
SUMMARY = text(f"""
SELECT table_name, sum(rows)::bigint AS rows, array_agg(DISTINCT how ORDER BY how) AS how, max(noted) AS noted,
    min(lower(times)) AS start, least(max(upper(times)), '9999-12-31') AS stop, bool_or(lower_inf(times)) AS whole
FROM (
    SELECT table_name, times, rows, how, noted FROM statscache_removed
    UNION ALL
    SELECT table_name, tstzmultirange(times * tstzrange(NULL, now())), NULL, 'DROP', now() FROM ({LOST}) AS lost
) AS each GROUP BY table_name ORDER BY table_name
""")


@dataclass(frozen=True)
class Removal:
    """What is gone of one table.

    :param rows: how many rows are known to be gone
    :param how: the kinds of statements that have removed them
    :param noted: when the last was noted
    :param start: where the first window begins of which rows are gone; None if that is all from the beginning on
    :param stop: where the last ends
    """

    table: str
    rows: int
    how: str
    noted: datetime
    start: datetime | None
    stop: datetime

    def __str__(self) -> str:
        rows = f"{number_of(self.rows, 'row')} " if self.rows else ""
        since = f"{self.start:%Y-%m-%d %H:%M:%S}" if self.start else "the beginning"
        return (
            f"{self.table} is not complete from {since} to {self.stop:%Y-%m-%d %H:%M:%S} UTC: "
            f"{rows}gone by {self.how}, the last at {self.noted:%Y-%m-%d %H:%M:%S}"
        )


def removals(connection: Connection) -> list[Removal]:
    """Return what is gone, a summary for each table; nothing if an older daemon has made the tables."""
    if connection.scalar(select(func.to_regclass(RemovedRow.__tablename__))) is None:
        return []
    return [
        Removal(
            row.table_name,
            row.rows or 0,
            ", ".join(row.how),
            row.noted,
            None if row.whole else row.start,
            row.stop,
        )
        for row in connection.execute(SUMMARY)
    ]


def removed(connection: Connection, tables: Collection[str], span: Span) -> dict[str, list[Span]]:
    """Return what of a span is gone from each of some tables, oldest first."""
    found: dict[str, list[Span]] = {table: [] for table in tables}
    given = {"tables": list(tables), "start": span.start, "stop": span.stop}
    for table, start, stop in connection.execute(PARTS, given):
        found[table].append(Span(start, stop))
    return found


def noted(connection: Connection, table: str) -> list[int]:
    """Return the numbers of the rows that say what is gone from a table."""
    return list(connection.scalars(select(RemovedRow.id).where(RemovedRow.table_name == table)))


def counted_again(connection: Connection, rows: Collection[int], span: Span) -> None:
    """Note that nothing of a span is gone any more.

    :param rows: as `noted` has returned them before the table was read, so that what somebody removes meanwhile stays
    """
    chosen = RemovedRow.id.in_(rows)
    times = func.tstzmultirange(func.tstzrange(func.to_timestamp(span.start), func.to_timestamp(span.stop)))
    connection.execute(update(RemovedRow).where(chosen).values(times=RemovedRow.times - times))
    connection.execute(delete(RemovedRow).where(chosen, func.isempty(RemovedRow.times)))


@dataclass(frozen=True)
class Loss:
    """A relation that is gone, or what was in it, up to now.

    :param times: which rows it could have, as a range of instants
    :param start: the first instant that is gone; None for all from the beginning on
    :param stop: the instant up to which all is gone
    """

    table: str
    times: Any
    how: str
    start: datetime | None
    stop: datetime


def note_losses(connection: Connection, losses: Collection[Loss]) -> None:
    """Note what is gone that no trigger has seen."""
    if losses:
        connection.execute(NOTE, [asdict(loss) for loss in losses])


def fold(connection: Connection) -> None:
    """Keep the table small where somebody removes something every day.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    connection.execute(FOLD)
