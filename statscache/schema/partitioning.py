"""Which tables are partitioned by time, and making their partitions ahead of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    DateTime,
    Engine,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import PATIENCE, counting
from statscache.database.model import Instant
from statscache.database.trouble import CANCELLED, first_line, is_database_trouble, is_locked_out, state_of
from statscache.hosting.loader import Part
from statscache.plugins import Rows
from statscache.schema.keeping import parts_by_table, wish_for
from statscache.schema.partitions.present import Parted, parted
from statscache.schema.partitions.statements import instant, partition_beside
from statscache.schema.partitions.units import SHORTEST, Unit
from statscache.schema.relations import VERBATIM, note_relations
from statscache.schema.removal_triggers import create_triggers, watched
from statscache.span import Span
from statscache.store.not_kept import counted_until

log = logging.getLogger(__name__)

#: Windows that are shorter, in seconds, make so many rows that these are dropped by the partition.
SHORT_WINDOWS = 3600
#: From so many partitions on, only whole months are made; and from twice as many on, none.
MOST = 150
#: Of no time are partitions made that has more rows elsewhere, as to move them would keep others waiting.
MOST_MOVED = 100_000
#: How long others are waited for, and can be kept waiting.
QUICK = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '2s'"
NOW = text("SELECT floor(extract(epoch FROM now()))::bigint")
#: Rows that were moved are gone from where they were, and nobody has removed them.
LOOK_AGAIN = text("UPDATE statscache_relation SET oldest = NULL WHERE relation = :oid")


@dataclass(frozen=True)
class Partitioned:
    """A table that can be partitioned by time, and of which partitions are made if it is.

    :param plugins: the idents of those that write it
    :param keep: how long its rows are kept; None for ever
    """

    table: Table
    plugins: frozenset[str]
    keep: timedelta | None

    @property
    def is_worth_it(self) -> bool:
        """Whether it is to be created so."""
        return self.keep is not None and self.keep >= SHORTEST


@dataclass(frozen=True)
class Lacking:
    """A partition that is to be made."""

    its: Parted
    unit: Unit
    span: Span

    @property
    def statements(self) -> list[str]:
        """What makes it."""
        name = self.its.named(self.unit.suffix(self.span))
        return partition_beside(self.its.sql, name, self.its.rest, self.span)

    def failure(self, error: DBAPIError) -> str:
        """Return what to say if it cannot be made."""
        return (
            f"{self.its.table.fullname} gets no partition for {self.span} ({first_line(error)}): "
            f"those rows stay in {self.its.rest}"
        )


def partitioned(parts: Iterable[Part], keep: Mapping[str, timedelta]) -> list[Partitioned]:
    """Return the tables that are to be partitioned by time.

    :param keep: as `statscache.keep` has it
    """
    found = []
    for table, its in parts_by_table(parts).items():
        if all(_has_many(part) for part in its) and _can_be(table):
            wish = wish_for(its, keep)
            plugins = frozenset(part.ident for part in its)
            found.append(Partitioned(table, plugins, wish.keep if wish else None))
    return found


def _has_many(part: Part) -> bool:
    plugin = part.plugin
    if plugin.rows is not Rows.WINDOW or plugin.schedule is None:
        return False
    return bool(plugin.partitioned) or plugin.schedule.seconds < SHORT_WINDOWS


def _can_be(table: Table) -> bool:
    """Return whether PostgreSQL can partition a table by its timestamp, and everything on it stays as it is."""
    when = table.columns.get("timestamp")
    if when is None or not (
        isinstance(when.type, Instant) or (isinstance(when.type, DateTime) and when.type.timezone)
    ):
        return False
    unique: list[Any] = [table.primary_key, *(index for index in table.indexes if index.unique)]
    unique += [its for its in table.constraints if isinstance(its, UniqueConstraint)]
    known = (PrimaryKeyConstraint, UniqueConstraint, CheckConstraint)
    return (
        all("timestamp" in its.columns for its in unique)
        and all(isinstance(its, known) for its in table.constraints)
        and not any(column.identity or column.computed for column in table.columns)
        and not any(table.dialect_options["postgresql"].values())
        and not (table.dispatch.before_create or table.dispatch.after_create)
    )


def make_partitions(
    engine: Engine, parts: Collection[Part], wanted: Collection[Partitioned], patient: bool = False
) -> list[str]:
    """Make the partitions of now and those ahead of it, and of times that have rows and no partition of their own.

    Rows move in the transaction that makes a partition, which is alone: whoever reads the table finds each once.

    :param parts: the plugins that run
    :param patient: whether to wait for minutes, as a start should while another daemon is at work
    :return: why some could not be made, a sentence for each
    """
    with engine.connect() as connection:  # so that nobody waits where there is nothing to do
        if not any(_lacking(connection, wanted)):
            return []
    with counting(engine, patient) as connection:
        failures = list(_make_all(connection, list(_lacking(connection, wanted))))
        connection.exec_driver_sql(PATIENCE)
        create_triggers(connection, watched(parts), note_relations(connection))
    return failures


def _make_all(connection: Connection, lacking: Iterable[Lacking]) -> Iterator[str]:
    """Make partitions, and yield why some cannot be; of tables that somebody holds, they are made another time."""
    held = set()
    for each in lacking:
        if each.its.table in held:
            continue
        try:
            _make(connection, each)
        except DBAPIError as error:
            if is_locked_out(error):
                held.add(each.its.table)
            elif is_database_trouble(error) and state_of(error) != CANCELLED:
                raise
            else:
                yield each.failure(error)


def _make(connection: Connection, each: Lacking) -> None:
    with connection.begin_nested():
        connection.exec_driver_sql("; ".join([QUICK, *each.statements]), execution_options=VERBATIM)
        connection.execute(LOOK_AGAIN, {"oid": each.its.rest_oid})
    log.info("%s has a partition for %s", each.its.table.fullname, each.span)


def _lacking(connection: Connection, wanted: Collection[Partitioned]) -> Iterator[Lacking]:
    """Yield the partitions that are to be made now, of the past at most one for each table."""
    now: int = connection.scalar(NOW) or 0
    by_name = {its.table.fullname: its for its in wanted}
    for its in parted(connection, [each.table for each in wanted]):
        about = by_name[its.table.fullname]
        unit = Unit.of(about.keep) if len(its.partitions) < MOST else Unit.MONTH
        if len(its.partitions) >= 2 * MOST:
            continue
        ahead = _ahead(its, unit, now)
        yield from (Lacking(its, each, span) for each, span in ahead if its.is_free(span))
        if (since := _since(connection, about)) < (today := ahead[0][1].start):
            yield from _of_rows(connection, its, unit, Span(since, today))


def _ahead(its: Parted, unit: Unit, now: int) -> list[tuple[Unit, Span]]:
    """Return the partition of now and those to be made ahead of it: days in a month that has some already."""
    month = unit.period(now)
    if unit is Unit.DAY or its.can_have(month):
        return [(unit, span) for span in unit.periods(now)]
    days = [(Unit.DAY, span) for span in Unit.DAY.periods(now) if span.start < month.stop]
    return [*days, (unit, unit.period(month.stop))]


def _since(connection: Connection, about: Partitioned) -> int:
    """Return from when on there is something to keep for long."""
    counted = counted_until(connection, about.plugins)
    return max(0, counted - int(about.keep.total_seconds())) if counted and about.keep else 0


def _of_rows(connection: Connection, its: Parted, unit: Unit, past: Span) -> Iterator[Lacking]:
    """Yield the oldest partition that is to take rows which are not many, if there is one."""
    start = past.start
    while start < past.stop and (found := _first(connection, its, Span(start, past.stop))) is not None:
        each = unit if its.is_free(unit.period(found)) else Unit.DAY
        span = each.period(found)
        if its.is_free(span) and _rows(connection, its, span) <= MOST_MOVED:
            yield Lacking(its, each, span)
            return
        start = span.stop


def _first(connection: Connection, its: Parted, span: Span) -> int | None:
    """Return the second of the oldest row of a span that is in no partition of its own time."""
    query = (
        f'SELECT floor(extract(epoch FROM min("timestamp")))::bigint FROM {its.rest} WHERE {_inside(span)}'
    )
    return connection.exec_driver_sql(query, execution_options=VERBATIM).scalar()


def _rows(connection: Connection, its: Parted, span: Span) -> int:
    """Return how many rows of a span are in no partition of their own time, up to one more than may be moved."""
    query = f"SELECT FROM {its.rest} WHERE {_inside(span)} LIMIT {MOST_MOVED + 1}"
    query = f"SELECT count(*) FROM ({query}) AS found"
    return connection.exec_driver_sql(query, execution_options=VERBATIM).scalar() or 0


def _inside(span: Span) -> str:
    return f"\"timestamp\" >= '{instant(span.start)}' AND \"timestamp\" < '{instant(span.stop)}'"
