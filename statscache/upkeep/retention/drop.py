"""Dropping old rows, some at a time, each time together with the note that their windows are not kept any more."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select

from statscache.counting.notifications import Changes
from statscache.database.lock import counting
from statscache.span import Span
from statscache.store.not_kept import drop
from statscache.upkeep.retention.outlook import Outlook, inside, look
from statscache.upkeep.retention.tables import Retained

#: About so many rows are deleted in one transaction, more only where a single window has more.
ROWS = 10_000


@dataclass(frozen=True)
class Dropped:
    """What was dropped at once.

    :param rows: how many rows are gone
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
        if not look(connection, its).pending:
            return None
    with counting(engine) as connection:
        outlook = look(connection, its)
        if not outlook.pending:
            return None
        return _drop(connection, outlook, _bounded(connection, its, outlook.pending[0], rows))


def _drop(connection: Connection, outlook: Outlook, span: Span) -> Dropped | None:
    table = outlook.its.table
    drop(connection, table.fullname, span)
    number = connection.execute(delete(table).where(*inside(outlook.its, span))).rowcount
    if not number and any(span.start in gone for gone in outlook.gone):
        return None  # somebody's trigger keeps the rows that were written into what is not kept
    changes = Changes()
    changes.add([(table.fullname, (span.start, span.stop))])
    changes.cover([table.fullname])
    changes.tell(connection)
    return Dropped(table.fullname, span, number)


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
