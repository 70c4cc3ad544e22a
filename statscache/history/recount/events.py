"""Exchanging the events of durations for those that were counted again. For transactions of `Shadow.exchange`.

Windows outside of the span depend on some of these events, too. They change by what the exchange changes, without those
of which the events that they come from are not all known any more: these stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    cast,
    delete,
    except_,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from statscache.history.recount.shadow import shadow
from statscache.history.recount.targets import Target
from statscache.plugins.duration_rows import apply_changes
from statscache.plugins.durations import around
from statscache.plugins.episodes import EVENT, Episodes
from statscache.span import Span
from statscache.store.removals import REMOVED, counted_again

#: The times of which events have been deleted, by statscache and by hand.
UNKNOWN = text(f"""
SELECT coalesce(range_agg(part) FILTER (WHERE pruned), '{{}}')::text, coalesce(range_agg(part), '{{}}')::text
FROM (
    SELECT true AS pruned, unnest(pruned) AS part FROM statscache_coverage WHERE plugin = ANY (:plugins)
    UNION ALL
    SELECT false, unnest(removed) FROM ({REMOVED}) AS gone WHERE table_name = :events
) AS each
""")
#: Notes of the windows outside of a span that they are not complete since events are gone that come back now.
LEFT_OVER = text("""
INSERT INTO statscache_removed (table_name, times, rows, how, who, noted)
SELECT :windows, its.windows, rows, how, who, noted FROM statscache_removed, LATERAL (
    SELECT range_agg(tstzrange(lower(part), upper(part) + make_interval(secs => :reach)))
        - tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop))) AS windows
    FROM unnest(times * tstzmultirange(tstzrange(to_timestamp(:from_), to_timestamp(:to)))) AS part
) AS its
WHERE id = ANY (:noted) AND NOT isempty(its.windows)
""")


def exchange_events(
    connection: Connection, target: Target, span: Span, wider: Span, noted: Collection[int]
) -> list[Span]:
    """Let the events be those that were counted, and change windows by that outside of those that were counted.

    :param span: the windows that are counted again
    :param wider: of which time all events were counted
    :param noted: the rows that say which events were removed by hand
    :return: the windows that have changed, all as one span; none if none has
    """
    episodes = target.episodes
    if episodes is None:
        return []
    exchange = Exchange(connection, episodes, target.plugins, span, wider)
    changes = connection.execute(exchange.changes()).all()
    exchange.exchange()
    apply_changes(connection, episodes, changes)
    ends = {"start": span.start, "stop": span.stop, "from_": wider.start, "to": wider.stop}
    names = {"windows": episodes.windows.fullname, "reach": episodes.give_up, "noted": list(noted)}
    connection.execute(LEFT_OVER, names | ends)
    counted_again(connection, noted, wider)
    starts = [change[0] for change in changes]
    return [Span(min(starts), max(starts) + episodes.length)] if changes else []


class Exchange:
    """What of the events differs, and what comes of it."""

    def __init__(
        self, connection: Connection, episodes: Episodes, plugins: Collection[str], span: Span, wider: Span
    ) -> None:
        self._connection = connection
        self._episodes = episodes
        self._span = span
        self._wider = wider
        self._real, self._counted = episodes.events, shadow(episodes.events)
        names = {"plugins": list(plugins), "events": episodes.events.fullname}
        pruned, unknown = connection.execute(UNKNOWN, names).one()
        self._pruned, self._unknown = (cast(literal(its), TSTZMULTIRANGE) for its in (pruned, unknown))

    def changes(self) -> Select[Any]:
        """Return what selects by how much windows outside of the span change, before the events are exchanged."""
        gone, new = self._gone().cte("gone"), self._new().cte("new")
        differing = union_all(*(select(its.c.id, its.c.timestamp) for its in (gone, new))).cte("differing")
        before = around(self._episodes, self._real, differing).cte("before")
        stay = except_(select(*before.c), select(*gone.c)).subquery("stay")
        after = union_all(select(*stay.c), select(*new.c)).subquery("after")
        return self._episodes.difference(before, after, self._is_outside)

    def exchange(self) -> None:
        """Delete and insert what differs."""
        gone = self._gone().subquery("gone")
        same = [self._real.c[name] == gone.c[name] for name in EVENT]
        self._connection.execute(delete(self._real).where(select(1).where(*same).exists()))
        columns = list(self._episodes.columns)
        self._connection.execute(insert(self._real).from_select(columns, self._new()))

    def _gone(self) -> Any:
        return except_(self._inside(self._real), self._inside(self._counted))

    def _new(self) -> Any:
        return except_(self._inside(self._counted), self._inside(self._real))

    def _inside(self, side: FromClause) -> Select[Any]:
        """Return what selects the events of the time that was counted, but for times of which some are deleted."""
        when = side.c.timestamp
        start, stop = func.to_timestamp(self._wider.start), func.to_timestamp(self._wider.stop)
        columns = [side.c[name] for name in self._episodes.columns]
        return select(*columns).where(when >= start, when < stop, ~self._pruned.contains(when))

    def _is_outside(self, stop: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether a window is not counted again, of which all events are known that its ends depend on."""
        first = func.to_timestamp(stop - self._episodes.give_up)
        needed = func.tstzrange(first, func.to_timestamp(stop), "[]")
        outside = (stop < self._span.start) | (stop >= self._span.stop)
        return and_(outside, ~self._unknown.overlaps(needed))
