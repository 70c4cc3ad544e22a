"""Of which time tables have every message."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce

from sqlalchemy import Connection, text

from statscache.span import Span, clipped

#: The complete spans of some tables inside a range, in whole seconds since 1970, oldest first.
SPANS = text("""
SELECT table_name, ceil(extract(epoch FROM lower(part)))::bigint, floor(extract(epoch FROM upper(part)))::bigint
FROM statscache_freshness,
    unnest(complete * tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))) AS part
WHERE table_name = ANY(:tables) ORDER BY 2
""")


@dataclass(frozen=True)
class Completeness:
    """The spans of which tables have every message, oldest first, none of which touches another."""

    spans: tuple[Span, ...] = ()

    def covers(self, start: int, stop: int) -> bool:
        """Return whether no message of a time is missing.

        :param start: in seconds since 1970
        :param stop: the second that the time ends before
        """
        place = bisect_right(self.spans, start, key=lambda span: span.start) - 1
        return place >= 0 and self.spans[place].stop >= stop

    def within(self, start: int, stop: int) -> list[Span]:
        """Return what of a time is complete, oldest first."""
        place = max(0, bisect_right(self.spans, start, key=lambda span: span.start) - 1)
        found = []
        for span in self.spans[place:]:
            if span.start >= stop:
                break
            if span.stop > start:
                found.append(Span(max(start, span.start), min(stop, span.stop)))
        return found


def read_completeness(connection: Connection, tables: Collection[str], start: int, stop: int) -> Completeness:
    """Return of which time all of some tables have every message.

    A table that no daemon has registered has none.

    :param tables: their names, as in `statscache_freshness`
    :param start: in seconds since 1970, since nothing is known of what is outside
    :param stop: the second that it ends before
    """
    spans: dict[str, list[Span]] = {table: [] for table in tables}
    given = {"tables": list(tables), "start": start, "stop": stop}
    for table, first, end in connection.execute(SPANS, given):
        if first < end:
            spans[table].append(Span(first, end))
    each = list(spans.values())
    return Completeness(tuple(reduce(clipped, each[1:], each[0]) if each else ()))
