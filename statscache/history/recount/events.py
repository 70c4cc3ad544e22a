"""Exchanging the events of durations for those that were counted again. For transactions of `Shadow.exchange`.

Windows outside of the span depend on some of these events, too. They change by what the exchange changes, without those
of which the events that they come from are not all known any more: these stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    cast,
    delete,
    except_,
    false,
    func,
    insert,
    literal,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from statscache.history.recount.shadow import shadow
from statscache.history.recount.targets import Target
from statscache.plugins.duration_rows import apply_changes
from statscache.plugins.episodes import EVENT, BeforeAndAfter, Change, Episodes, Event
from statscache.span import Span
from statscache.store.removals import REMOVED, counted_again

#: The times of which events have been deleted: by statscache as a multirange; in all by their starts and their stops.
UNKNOWN = text(f"""
SELECT coalesce(range_agg(part) FILTER (WHERE pruned), '{{}}')::text,
    coalesce(array_agg(coalesce(extract(epoch FROM lower(part)), '-Infinity')::float8), '{{}}'),
    coalesce(array_agg(coalesce(extract(epoch FROM upper(part)), 'Infinity')::float8), '{{}}')
FROM (
    SELECT true AS pruned, unnest(pruned) AS part FROM statscache_coverage WHERE plugin = ANY (:plugins)
    UNION ALL
    SELECT false, unnest(removed) FROM ({REMOVED}) AS gone WHERE table_name = :events
) AS each
""")
#: So many events are read at once.
AT_ONCE = 10_000
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
    changes = exchange.changes()
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
        pruned, starts, stops = connection.execute(UNKNOWN, names).one()
        self._pruned = cast(literal(pruned), TSTZMULTIRANGE)
        self._unknown = list(zip(starts, stops, strict=True))

    def changes(self) -> list[Change]:
        """Return by how much windows outside of the span change, before the events are exchanged."""
        rows = self._connection.execute(self._states(), execution_options={"yield_per": AT_ONCE})
        return self._episodes.changes(_by_id(rows), self._is_outside)

    def _states(self) -> Select[Any]:
        """Return what selects events, and whether each is there before and after the exchange, in order of their id."""
        gone, new = self._gone().cte("gone"), self._new().cte("new")
        differing = union_all(*(select(its.c.id, its.c.timestamp) for its in (gone, new))).subquery(
            "differing"
        )
        real = self._episodes.around(differing).subquery("real")
        goes = select(1).where(*(real.c[name] == gone.c[name] for name in EVENT)).exists()
        there = select(*self._episodes.selected(real), true().label("before"), (~goes).label("after"))
        comes = select(*self._episodes.selected(new), false().label("before"), true().label("after"))
        states = union_all(there, comes).subquery("states")
        return select(*states.c).order_by(states.c.id)

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

    def _is_outside(self, stop: int) -> bool:
        """Return whether a window is not counted again, of whose end at that second all events are known."""
        first = stop - self._episodes.give_up
        known = all(lower > stop or upper <= first for lower, upper in self._unknown)
        return known and not self._span.start <= stop < self._span.stop


def _by_id(rows: Iterable[Event]) -> Iterator[BeforeAndAfter]:
    """Yield the events of each id as they were and as they will be, without the columns that tell which is which."""
    for _, its in groupby(rows, itemgetter(0)):
        events = list(its)
        yield [event[:-2] for event in events if event[-2]], [event[:-2] for event in events if event[-1]]
