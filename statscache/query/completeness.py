"""Of which time tables have every message, and by which versions of their plugins that was counted."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from sqlalchemy import Connection, text

from statscache.span import Span, clipped, without

#: The complete spans of some tables inside a range, in whole seconds since 1970, oldest first, or a null; with each the
#: present versions of the table's plugins, and whether others have counted. Where a daemon of an earlier version has
#: made the view, it has no columns for these: then they are the nulls.
SPANS = text("""
SELECT table_name, ceil(extract(epoch FROM lower(part)))::bigint, floor(extract(epoch FROM upper(part)))::bigint,
    known.versions, has_earlier
FROM tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop))) AS inside,
    (SELECT NULL::jsonb AS versions, NULL::jsonb AS earlier_versions) AS absent, LATERAL (
        SELECT table_name, complete, versions, earlier_versions IS NOT NULL AS has_earlier
        FROM statscache_freshness WHERE table_name = ANY(:tables)
    ) AS known LEFT JOIN LATERAL unnest(complete * inside) AS part ON true
ORDER BY 2
""")
#: The spans that are noted of versions of plugins.
EARLIER = text("""
SELECT table_name, plugin, version, floor(extract(epoch FROM lower(part)))::bigint,
    ceil(extract(epoch FROM upper(part)))::bigint
FROM statscache_freshness,
    jsonb_to_recordset(earlier_versions) AS its (plugin text, version integer, times tstzmultirange),
    unnest(times * tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))) AS part
WHERE table_name = ANY(:tables)
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


def _stop(span: Span) -> int:
    return span.stop


def versions_of(known: Sequence[Completeness], start: int, stop: int) -> tuple[int, ...]:
    """Return the versions that any of several readings names of a time."""
    return tuple(sorted({version for each in known for version in each.versions(start, stop)}))


def all_cover(known: Sequence[Completeness], spans: Sequence[Span]) -> tuple[bool, ...]:
    """Return for each span whether all of several readings say that no message is missing."""
    return tuple(all(each.covers(span.start, span.stop) for each in known) for span in spans)


def in_a_cell(versions: Iterable[int]) -> str:
    """Return versions as they stand in a cell of a file."""
    return " ".join(map(str, versions))


def read_completeness(connection: Connection, tables: Collection[str], start: int, stop: int) -> Completeness:
    """Return of which time all of some tables have every message, and which versions have counted any of them.

    A table that no daemon has registered has none.

    :param tables: their names, as in `statscache_freshness`
    :param start: in seconds since 1970, since nothing is known of what is outside
    :param stop: the second that it ends before
    """
    spans: dict[str, list[Span]] = {table: [] for table in tables}
    present, earlier = {}, False
    given = {"tables": list(tables), "start": start, "stop": stop}
    for table, first, end, versions, has_earlier in connection.execute(SPANS, given):
        present[table], earlier = versions or {}, earlier or has_earlier
        if first is not None and first < end:
            spans[table].append(Span(first, end))
    each = list(spans.values())
    complete = tuple(reduce(clipped, each[1:], each[0]) if each else ())
    noted = connection.execute(EARLIER, given).all() if earlier else ()
    return Completeness(
        complete, counted_by_version(present, noted, Span(start, stop)) if start < stop else {}
    )


def counted_by_version(
    present: Mapping[str, Mapping[str, int]], noted: Iterable[Sequence[Any]], inside: Span
) -> dict[int, list[Span]]:
    """Return the spans of each version inside a span, oldest first, none of which touches another.

    :param present: the version of each plugin that counts now, by table, which has counted what is not noted
    :param noted: tables, plugins, versions, and the ends of spans
    """
    found: defaultdict[int, list[Span]] = defaultdict(list)
    others: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for table, plugin, version, start, stop in noted:
        found[version].append(Span(start, stop))
        others[table, plugin].append(Span(start, stop))
    for table, versions in present.items():
        for plugin, version in versions.items():
            found[version] += without(inside, others[table, plugin])
    return {version: clipped([inside], spans) for version, spans in found.items() if spans}
