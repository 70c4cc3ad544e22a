"""What of a table is to be dropped now, what stays though it is old enough, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, func, literal, select

from statscache.database.relations import is_there
from statscache.errors import some_of
from statscache.query.completeness import read_completeness
from statscache.schema.partitions.present import partitions_of
from statscache.span import Span, clipped, less, without
from statscache.store.daemons import heedless_daemons
from statscache.store.not_kept import counted_until, not_kept
from statscache.upkeep.retention.tables import Retainable, Retained
from statscache.upkeep.retention.windows import EVER, Coarser, Windows, droppable


@dataclass(frozen=True)
class Outlook:
    """What is to become of a table.

    :param pending: what is to be dropped now, oldest first
    :param gone: what is not kept any more
    :param staying: what is old enough and stays all the same
    :param why: why it stays; empty where nothing does
    """

    its: Retained
    pending: list[Span] = field(default_factory=list)
    gone: list[Span] = field(default_factory=list)
    staying: list[Span] = field(default_factory=list)
    why: str = ""

    def __str__(self) -> str:
        """Say what stays, and why."""
        times = some_of([str(span) for span in self.staying], 2)
        return f"{self.its.table.fullname} keeps {times}: {self.why}"


def look(connection: Connection, its: Retained) -> Outlook:
    """Return what is to become of a table now.

    Whoever acts on it must have asked in a transaction that has the lock alone.
    """
    stop = keep_from(connection, its)
    old = Span(0, stop) if stop else None
    if its.windows is None or its.fault:
        return Outlook(its, staying=_with_rows(connection, its, [old] if old else []), why=its.fault)
    gone = not_kept(connection, [its.table.fullname], EVER)[its.table.fullname]
    if old is None:
        return Outlook(its, gone=gone)
    allowed = _allowed(connection, its, its.windows, old)
    return _outlook(connection, its, old, gone, allowed)


def outlooks(connection: Connection, tables: Iterable[Retained]) -> list[Outlook]:
    """Return what is to become of those of some tables that are there."""
    return [look(connection, its) for its in tables if is_there(connection, its.table.fullname)]


def _outlook(
    connection: Connection, its: Retained, old: Span, gone: list[Span], allowed: list[Span]
) -> Outlook:
    fresh = less(allowed, gone)
    # Somebody has written rows into what is not kept: a daemon of an earlier version, or a person.
    again = [span for span in clipped(allowed, gone) if has_rows(connection, its, span)]
    pending, staying = sorted([*fresh, *again]), _with_rows(connection, its, without(old, [*allowed, *gone]))
    if pending and (earlier := heedless_daemons(connection)):
        why = f"{earlier[0]} may run, which would call complete what is dropped"
        return Outlook(its, [], gone, sorted([*staying, *_with_rows(connection, its, pending)]), why)
    return Outlook(its, pending, gone, staying, _why(its) if staying else "")


def keep_from(connection: Connection, its: Retained) -> int:
    """Return the second since 1970 from which on a table's windows are not old enough; 0 where none is.

    Of a table that is partitioned by time, none of a partition is before all of it is: then that goes as a whole.
    """
    counted = counted_until(connection, its.plugins)
    if counted is None:
        return 0
    stop = counted - math.ceil(its.wish.keep.total_seconds())
    if its.windows is None:
        return max(0, stop)
    stop = its.windows.start(stop)
    begun = [each.span.start for each in partitions_of(connection, its.table) if stop in each.span]
    return max(0, its.windows.after(begun[0]) if begun else stop)


def _allowed(connection: Connection, its: Retained, windows: Windows, old: Span) -> list[Span]:
    if not its.coarser:
        return droppable(old, windows, None) if its.wish.named else []
    following = its.coarser[0].windows
    assert following is not None  # a coarser table has windows, which are longer
    return droppable(old, windows, Coarser(following, tuple(_had(connection, its.coarser))))


def _had(connection: Connection, tables: Sequence[Retainable]) -> list[Span]:
    """Return the time that the first of some tables has in full; where that is dropped itself, that of the others."""
    name = tables[0].table.fullname
    complete = read_completeness(connection, [name], EVER.start, EVER.stop).spans
    gone = not_kept(connection, [name], EVER)[name]
    later = clipped(gone, _had(connection, tables[1:])) if gone and tables[1:] else []
    return clipped([EVER], [*complete, *later])


def _why(its: Retained) -> str:
    if its.coarser:
        return f"{its.coarser[0].table.fullname} does not have all of that time in whole windows"
    return "no table has longer windows of the same statistic, and statscache.keep does not name this plugin"


def _with_rows(connection: Connection, its: Retained, spans: Iterable[Span]) -> list[Span]:
    """Return those of the spans of which a table has rows, from its first row on; none of one without instants."""
    if "timestamp" not in its.table.columns:
        return []
    first = connection.scalar(select(func.min(its.table.c.timestamp)))
    if first is None:
        return []
    since = Span(max(0, int(first.timestamp())), EVER.stop)
    return [span for span in clipped(spans, [since]) if has_rows(connection, its, span)]


def has_rows(connection: Connection, its: Retained, span: Span) -> bool:
    """Return whether a table has any row of a span."""
    row = select(literal(1)).select_from(its.table).where(*inside(its, span)).limit(1)
    return connection.scalar(row) is not None


def inside(its: Retained, span: Span) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for rows of a span."""
    when = its.table.c.timestamp
    return when >= func.to_timestamp(span.start), when < func.to_timestamp(span.stop)
