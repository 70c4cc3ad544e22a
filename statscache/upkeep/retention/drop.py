"""Dropping old rows, some at a time, each time together with the note that their windows are not kept any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select, text
from sqlalchemy.exc import DBAPIError

from statscache.counting.notifications import Changes
from statscache.database.lock import counting
from statscache.database.trouble import first_line, is_database_trouble, is_locked_out
from statscache.schema.partitions.present import Partition, partitions_of
from statscache.schema.relations import VERBATIM
from statscache.span import Span, clipped, less
from statscache.store.not_kept import drop
from statscache.store.removals import RelationRow
from statscache.upkeep.retention.outlook import Outlook, has_rows, inside, keep_from, look
from statscache.upkeep.retention.tables import Retained
from statscache.upkeep.retention.windows import EVER

#: About so many rows are deleted in one transaction, more only where a single window has more.
ROWS = 10_000
#: How long who uses a table is waited for, to drop a partition of it.
SOON = "SET LOCAL lock_timeout = '1s'"
#: About how many rows a relation has.
ABOUT = text(
    "SELECT greatest(pg_stat_get_live_tuples(oid), reltuples, 0)::bigint FROM pg_class WHERE oid = :oid"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dropped:
    """What was dropped at once.

    :param rows: how many rows are gone, of a whole partition about how many
    """

    table: str
    span: Span
    rows: int


def drop_some(engine: Engine, its: Retained, rows: int = ROWS) -> Dropped | None:
    """Drop the oldest of what is to be dropped of a table; return None if there is nothing.

    All is decided in the transaction that does it. Killed at any point, it has happened or not.

    :param rows: about how many rows are deleted at most
    """
    with engine.connect() as connection:  # so that nobody waits where there is nothing to do
        outlook = look(connection, its)
        if not outlook.pending and not _whole(connection, outlook):
            return None
    with counting(engine) as connection:
        outlook = look(connection, its)
        whole = _whole(connection, outlook)
        left = less(outlook.pending, [span for _, spans in whole for span in spans])
        if left:
            return _drop(connection, outlook, _bounded(connection, its, left[0], rows))
        return _drop_partition(connection, outlook, *whole[0]) if whole else None


def _whole(connection: Connection, outlook: Outlook) -> list[tuple[Partition, list[Span]]]:
    """Return the partitions of which nothing is to stay, oldest first, each with its windows that are not kept then.

    Of others, such as those of before anything was counted, it must have no rows, and all of it must be old enough.
    """
    windows = outlook.its.windows
    if windows is None:
        return []
    all_gone = [*outlook.pending, *outlook.gone]
    found = []
    for each in partitions_of(connection, outlook.its.table):
        start, stop = windows.after(max(each.span.start, EVER.start)), windows.after(each.span.stop)
        going = clipped([Span(start, stop)], all_gone) if start < stop else []
        others = less([Span(start, stop)], all_gone) if going else []
        if not going or (others and stop > keep_from(connection, outlook.its)):
            continue
        if _any(connection, outlook, others):
            continue
        if clipped(going, outlook.pending) or not _any(connection, outlook, going):
            found.append((each, going))
    return found


def _any(connection: Connection, outlook: Outlook, spans: Iterable[Span]) -> bool:
    return any(has_rows(connection, outlook.its, span) for span in spans)


def _drop_partition(
    connection: Connection, outlook: Outlook, partition: Partition, spans: Sequence[Span]
) -> Dropped | None:
    """Drop a whole partition; return None while somebody uses its table, which is tried again later.

    Who asks for a table waits for whoever wants it alone, so that this must not wait for long.
    """
    table = outlook.its.table.fullname
    try:
        with connection.begin_nested():
            rows: int = connection.scalar(ABOUT, {"oid": partition.oid}) or 0
            drop(connection, table, *spans)
            connection.exec_driver_sql(SOON)
            connection.exec_driver_sql(f"DROP TABLE {partition.sql}", execution_options=VERBATIM)
            connection.execute(delete(RelationRow).where(RelationRow.relation == partition.oid))
    except DBAPIError as error:
        if is_database_trouble(error) and not is_locked_out(error):
            raise
        log.info("%s could not be dropped (%s): that is tried again", partition.sql, first_line(error))
        return None
    span = Span(spans[0].start, spans[-1].stop)
    _tell(connection, table, span)
    return Dropped(table, span, rows)


def _drop(connection: Connection, outlook: Outlook, span: Span) -> Dropped | None:
    table = outlook.its.table
    drop(connection, table.fullname, span)
    number = connection.execute(delete(table).where(*inside(outlook.its, span))).rowcount
    if not number and any(span.start in gone for gone in outlook.gone):
        return None  # somebody's trigger keeps the rows that were written into what is not kept
    _tell(connection, table.fullname, span)
    return Dropped(table.fullname, span, number)


def _tell(connection: Connection, table: str, span: Span) -> None:
    changes = Changes()
    changes.add([(table, (span.start, span.stop))])
    changes.cover([table])
    changes.tell(connection)


def _bounded(connection: Connection, its: Retained, span: Span, rows: int) -> Span:
    """Return the first windows of a span, so few that they have about so many rows, or one window."""
    assert its.windows is not None  # what has none is never pending
    when = its.table.c.timestamp
    following = select(when).where(*inside(its, span)).order_by(when).offset(rows).limit(1)
    found = connection.scalar(following)
    if found is None:
        return span
    stop = its.windows.start(int(found.timestamp()))
    return Span(span.start, stop if stop > span.start else min(span.stop, stop + its.windows.length))
