"""When figures were last compared with history, and whether they agreed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, text

from statscache.query.extents import spans_behind
from statscache.query.frame import Frame
from statscache.query.readable import is_readable
from statscache.query.series import Series, read_series
from statscache.span import Span
from statscache.store.verification import VerificationRow

CHECKS = text("""
SELECT ceil(extract(epoch FROM lower(part)))::bigint, floor(extract(epoch FROM upper(part)))::bigint, checked, agrees
FROM statscache_verification,
    unnest(times * tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))) AS part
WHERE table_name = :table AND agrees IS NOT NULL ORDER BY 1
""")


@dataclass(frozen=True)
class Check:
    """A time of a table that was compared with an archive."""

    span: Span
    when: datetime
    agrees: bool


@dataclass(frozen=True)
class Checks:
    """What is known of a table, oldest first; none overlaps another."""

    parts: tuple[Check, ...] = ()

    def agreed(self, start: int, stop: int) -> datetime | None:
        """Return since when it is known of a time that all of it agrees; None if it is not.

        :param start: in seconds since 1970
        :param stop: the second that the time ends before
        """
        found = self._overlapping(start, stop)
        for part in found:
            if not part.agrees or part.span.start > start:
                return None
            start = part.span.stop
        return min(part.when for part in found) if found and start >= stop else None

    def differed(self, start: int, stop: int) -> datetime | None:
        """Return when something of a time was last found to differ; None if it was not."""
        return max(
            (part.when for part in self._overlapping(start, stop) if not part.agrees),
            default=None,
        )

    def _overlapping(self, start: int, stop: int) -> Sequence[Check]:
        place = bisect_right(self.parts, start, key=lambda part: part.span.stop)
        end = bisect_right(self.parts, stop - 1, key=lambda part: part.span.start)
        return self.parts[place:end]


def read_checks(connection: Connection, table: str, start: int, stop: int) -> Checks:
    """Return what is known of a time of a table.

    :param start: in seconds since 1970
    :param stop: the second that it ends before
    """
    if not is_readable(connection, VerificationRow.__tablename__):
        return Checks()
    rows = connection.execute(CHECKS, {"table": table, "start": start, "stop": stop})
    return Checks(
        tuple(Check(Span(first, end), when, agrees) for first, end, when, agrees in rows if first < end)
    )


def agreed_always(known: Sequence[Checks], start: int, stop: int) -> datetime | None:
    """Return since when each of several readings knows of a time that it agrees; None if one does not."""
    found = [checks.agreed(start, stop) for checks in known]
    return None if None in found else min(when for when in found if when is not None)


def read_checked_series(connection: Connection, frame: Frame, now: datetime) -> Series:
    """Return the sums of a frame's periods, and when they were verified.

    As with what is complete, that is read before the sums and after them.
    """
    spans, table = spans_behind(connection, frame.table, frame.periods), frame.table.table.fullname
    before = read_checks(connection, table, spans[0].start, spans[-1].stop)
    series = read_series(connection, frame, now)
    known = before, read_checks(connection, table, spans[0].start, spans[-1].stop)
    whole = [span for span, complete in zip(spans, series.complete, strict=True) if complete]
    agreed = {span: agreed_always(known, span.start, span.stop) for span in whole}
    differed = (checks.differed(span.start, span.stop) for span in whole for checks in known)
    last = max((when for when in differed if when is not None), default=None)
    return replace(series, verified=tuple(agreed.get(span) for span in spans), differed=last)
