"""Why a time is not complete."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import BigInteger, Connection, cast, extract, func, select, text

from statscache.instants import END_OF_TIME
from statscache.span import Span
from statscache.store.gaps import GapRow
from statscache.store.not_kept import not_kept
from statscache.store.quarantine_tables import QuarantineRow
from statscache.store.removals import removed

#: So many losses are told apart in a range, the latest ones.
MOST = 2_000
#: So many seconds after its end a time has been committed, unless something is wrong.
COMMITTED = 30
REACH = text(
    "SELECT coalesce(ceil(extract(epoch FROM max(reach))), 0)::bigint FROM statscache_plugin "
    "WHERE ident = ANY (:plugins)"
)
MAY_READ = text("SELECT has_table_privilege('statscache_quarantine', 'SELECT')")


class Reason(StrEnum):
    """Why messages of a time are missing, or may be."""

    UNFINISHED = "unfinished"  # it is not over yet, or not yet committed
    LOST = "lost"  # messages were lost on the way
    QUARANTINED = "quarantined"  # messages are in the quarantine
    REMOVED = "removed"  # somebody has removed rows
    NOT_KEPT = "not_kept"  # its rows were dropped, as statscache.keep says
    UNCOUNTED = "uncounted"  # nobody has counted it
    BEFORE = "before"  # nobody has counted some of the time before it, of which it comes, too


@dataclass(frozen=True)
class Missing:
    """What is missing of a time.

    :param messages: how many messages or rows, at least; 0 if nobody knows
    :param detail: the reason in the words that were recorded, empty if there are none
    """

    reason: Reason
    messages: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Event:
    """What has made a time incomplete."""

    span: Span
    missing: Missing


@dataclass(frozen=True)
class Reasons:
    """What is known of why a range is not complete.

    :param events: oldest first
    :param present: what ends later than this second is not over, or may not have been committed yet
    """

    events: tuple[Event, ...]
    present: int

    def of(self, start: int, stop: int) -> tuple[Missing, ...]:
        """Return why the time from one second to before another is not complete, each reason once."""
        found: dict[tuple[Reason, str], int] = {}
        for event in self.events:
            if event.span.start < stop and event.span.stop > start:
                key = event.missing.reason, event.missing.detail
                found[key] = found.get(key, 0) + event.missing.messages
        if stop > self.present:
            found.setdefault((Reason.UNFINISHED, ""), 0)
        if not found:
            found[Reason.UNCOUNTED, ""] = 0
        return tuple(Missing(reason, messages, detail) for (reason, detail), messages in found.items())


def read_reasons(
    connection: Connection, tables: Collection[str], plugins: Collection[str], span: Span, now: int
) -> Reasons:
    """Return why some tables are not complete in a range.

    :param plugins: those that write the tables
    :param now: in seconds since 1970
    """
    reach = connection.scalar(REACH, {"plugins": list(plugins)}) or 0
    wider = Span(max(0, span.start - reach), span.stop)
    missing = [*_lost(connection, wider), *_quarantined(connection, plugins, wider)]
    events = [replace(event, span=Span(event.span.start, event.span.stop + reach)) for event in missing]
    for reason, found in ((Reason.REMOVED, removed), (Reason.NOT_KEPT, not_kept)):
        parts = found(connection, tables, span).values()
        events += [Event(part, Missing(reason)) for its in parts for part in its]
    return Reasons(tuple(sorted(events, key=lambda event: event.span)), now - COMMITTED)


def _lost(connection: Connection, span: Span) -> list[Event]:
    first, last = (
        cast(func.floor(extract("epoch", column)), BigInteger) for column in (GapRow.first, GapRow.last)
    )
    inside = last >= span.start, first < span.stop
    query = (
        select(first, last, GapRow.messages, GapRow.reason).where(*inside).order_by(last.desc()).limit(MOST)
    )
    return [
        Event(Span(start, min(stop + 1, END_OF_TIME)), Missing(Reason.LOST, messages, reason))
        for start, stop, messages, reason in connection.execute(query)
    ]


def _quarantined(connection: Connection, plugins: Collection[str], span: Span) -> list[Event]:
    """Return the messages in the quarantine, if this role may read it."""
    if not connection.scalar(MAY_READ):
        return []
    second = cast(func.floor(extract("epoch", QuarantineRow.timestamp)), BigInteger).label("second")
    query = select(second, func.count()).where(
        QuarantineRow.plugin.in_(plugins), second >= span.start, second < span.stop
    )
    each = query.group_by(second).order_by(second.desc()).limit(MOST)
    return [
        Event(Span(start, start + 1), Missing(Reason.QUARANTINED, count))
        for start, count in connection.execute(each)
    ]
