"""Of which time tables have every message, and by which versions of their plugins that was counted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sqlalchemy import Connection, text

from statscache.span import Span, clipped

#: The complete spans of some tables inside a range, in whole seconds since 1970, and those of each version, the oldest
#: first.
#: Where a daemon of an earlier version has made the view, it has no column `versions`: then that is the null.
SPANS = text("""
WITH inside AS (
    SELECT tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop))) AS range
), known AS MATERIALIZED (
    SELECT its.* FROM (SELECT NULL::jsonb AS versions) AS absent, LATERAL (
        SELECT table_name, complete, versions FROM statscache_freshness WHERE table_name = ANY(:tables)
    ) AS its
)
SELECT table_name, NULL::integer AS version, ceil(extract(epoch FROM lower(part)))::bigint AS start,
    floor(extract(epoch FROM upper(part)))::bigint
FROM known, inside, unnest(complete * range) AS part
UNION ALL
SELECT table_name, key::integer, floor(extract(epoch FROM lower(part)))::bigint,
    ceil(extract(epoch FROM upper(part)))::bigint
FROM known, inside, jsonb_each_text(versions), unnest(value::tstzmultirange * range) AS part
ORDER BY start
""")


@dataclass(frozen=True)
class Completeness:
    """What is known of tables.

    :param spans: those of which they have every message, oldest first, none of which touches another
    :param counted: by version, those that it has counted, or may have, in the same order
    """

    spans: tuple[Span, ...] = ()
    counted: Mapping[int, Sequence[Span]] = field(default_factory=dict)

    def covers(self, start: int, stop: int) -> bool:
        """Return whether no message of a time is missing.

        :param start: in seconds since 1970
        :param stop: the second that the time ends before
        """
        place = bisect_right(self.spans, start, key=lambda span: span.start) - 1
        return place >= 0 and self.spans[place].stop >= stop

    def versions(self, start: int, stop: int) -> tuple[int, ...]:
        """Return the versions that have counted any of a time, or may have; none if nobody has registered a table."""
        return tuple(
            version
            for version, spans in sorted(self.counted.items())
            if any(span.start < stop for span in spans[bisect_right(spans, start, key=_stop) :][:1])
        )

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


def _add(spans: list[Span], span: Span) -> None:
    """Add a span to others, none of which begins later, so that none touches another."""
    if spans and span.start <= spans[-1].stop:
        span = Span(spans[-1].start, max(spans[-1].stop, span.stop))
        spans.pop()
    spans.append(span)


def _stop(span: Span) -> int:
    return span.stop


def versions_of(known: Sequence[Completeness], start: int, stop: int) -> tuple[int, ...]:
    """Return the versions that any of several readings names of a time."""
    return tuple(sorted({version for each in known for version in each.versions(start, stop)}))


def read_completeness(connection: Connection, tables: Collection[str], start: int, stop: int) -> Completeness:
    """Return of which time all of some tables have every message, and which versions have counted any of them.

    A table that no daemon has registered has none.

    :param tables: their names, as in `statscache_freshness`
    :param start: in seconds since 1970, since nothing is known of what is outside
    :param stop: the second that it ends before
    """
    spans: dict[str, list[Span]] = {table: [] for table in tables}
    counted: dict[int, list[Span]] = {}
    given = {"tables": list(tables), "start": start, "stop": stop}
    for table, version, first, end in connection.execute(SPANS, given):
        if version is not None:
            _add(counted.setdefault(version, []), Span(first, end))
        elif first < end:
            spans[table].append(Span(first, end))
    each = list(spans.values())
    return Completeness(tuple(reduce(clipped, each[1:], each[0]) if each else ()), counted)
