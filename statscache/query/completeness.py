"""Of which time tables have every message, and by which versions of their plugins that was counted."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sqlalchemy import Connection, text

from statscache.span import Span, clipped, without

#: The complete spans of some tables inside a range, in whole seconds since 1970, oldest first; the version of each of
#: their plugins; and the spans that are noted of others. Where a daemon of an earlier version has made the view, it has
#: no columns for these: then they are the nulls.
SPANS = text("""
WITH inside AS (
    SELECT tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop))) AS range
), known AS MATERIALIZED (
    SELECT its.* FROM (SELECT NULL::jsonb AS versions, NULL::jsonb AS earlier_versions) AS absent, LATERAL (
        SELECT table_name, complete, versions, earlier_versions FROM statscache_freshness
        WHERE table_name = ANY(:tables)
    ) AS its
)
SELECT table_name, NULL AS plugin, NULL::integer AS version, ceil(extract(epoch FROM lower(part)))::bigint AS start,
    floor(extract(epoch FROM upper(part)))::bigint
FROM known, inside, unnest(complete * range) AS part
UNION ALL
SELECT table_name, key, value::integer, NULL, NULL FROM known, jsonb_each_text(versions)
UNION ALL
SELECT table_name, plugin, version, floor(extract(epoch FROM lower(part)))::bigint,
    ceil(extract(epoch FROM upper(part)))::bigint
FROM known, inside, jsonb_to_recordset(earlier_versions) AS its (plugin text, version integer, times tstzmultirange),
    unnest(times * range) AS part
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
    versions = _Versions()
    given = {"tables": list(tables), "start": start, "stop": stop}
    for table, plugin, version, first, end in connection.execute(SPANS, given):
        if plugin is None:
            spans[table] += [Span(first, end)] if first < end else []
        elif first is None:
            versions.present[table, plugin] = version
        else:
            versions.noted[table, plugin].append((version, Span(first, end)))
    each = list(spans.values())
    complete = tuple(reduce(clipped, each[1:], each[0]) if each else ())
    return Completeness(complete, versions.counted(Span(start, stop)) if start < stop else {})


@dataclass(frozen=True)
class _Versions:
    """By which versions tables were counted.

    :param present: the version of each plugin that counts now, by table and plugin
    :param noted: the spans of others, and of that where others have counted, too
    """

    present: dict[tuple[str, str], int] = field(default_factory=dict)
    noted: defaultdict[tuple[str, str], list[tuple[int, Span]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def counted(self, inside: Span) -> dict[int, list[Span]]:
        """Return the spans of each version, oldest first, none of which touches another: the rest is the present's."""
        found: defaultdict[int, list[Span]] = defaultdict(list)
        for key, present in self.present.items():
            for version, span in self.noted[key]:
                found[version].append(span)
            found[present] += without(inside, (span for _, span in self.noted[key]))
        return {version: without(inside, without(inside, its)) for version, its in found.items() if its}
