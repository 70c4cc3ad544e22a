"""The SQL of durations: what comes of the events of an id, and how that changes the windows.

The events of an id are in order of their whole second, begins before ends, then their `msg_id`. Each end has one
result. Its begin is the earliest one after the end before it that is at most `give_up` older; without one it counts as
an end without a begin. So a result depends only on events of the time from `give_up` before the end up to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Case,
    ColumnElement,
    Double,
    FromClause,
    Select,
    SmallInteger,
    Table,
    case,
    cast,
    collate,
    extract,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import INTERVAL

#: Two durations whose natural logarithms differ by less than this may be in one bucket.
STEP = 0.018
#: The bucket of ends without a begin, and that of durations of less than a second.
WITHOUT_BEGIN, ZERO = -1, 0
#: The columns of an event, before those of its keys.
EVENT = ("id", "timestamp", "ends", "msg_id")
#: Tells, of the second of an end, whether it is meant.
Chosen = Callable[[ColumnElement[int]], ColumnElement[bool]]


@dataclass(frozen=True)
class Episodes:
    """How the events of one table become windows of another.

    :param windows: the table of the durations
    :param events: the table of what began and ended
    :param keys: the names of the key columns, which both have
    :param give_up: in seconds
    :param length: of a window, in seconds
    :param offset: where in such a length, counted from 1970, a window starts
    """

    windows: Table
    events: Table
    keys: tuple[str, ...]
    give_up: int
    length: int
    offset: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an event."""
        return (*EVENT, *self.keys)

    @property
    def reach(self) -> ColumnElement[timedelta]:
        """How long before an end its begin can be."""
        return literal(timedelta(seconds=self.give_up), INTERVAL())

    def difference(self, before: FromClause, after: FromClause, only: Chosen | None = None) -> Select[Any]:
        """Return what selects by how much windows differ between two states of the events.

        :param before: events, at least all of those ids and times on which the ends depend that differ
        :param after: the same in the other state
        :param only: tells, of the second of an end, whether it is meant; None for all
        :return: selects `window` (its start in seconds since 1970), the keys, `bucket`, `volume` and `seconds`
        """
        both = union_all(self._signed(after, 1, only), self._signed(before, -1, only)).subquery("both")
        volume, seconds = func.sum(both.c.sign), func.sum(both.c.sign * both.c.seconds)
        place = [both.c[name] for name in ("window", *self.keys, "bucket")]
        summed = [cast(volume, BigInteger).label("volume"), cast(seconds, BigInteger).label("seconds")]
        return select(*place, *summed).group_by(*place).having((volume != 0) | (seconds != 0))

    def _signed(self, events: FromClause, sign: int, only: Chosen | None) -> Select[Any]:
        results = self._results(events, only).subquery()
        return select(*results.c, cast(sign, BigInteger).label("sign"))

    def _results(self, events: FromClause, only: Chosen | None) -> Select[Any]:
        """Return what selects a row for each end: `window`, the keys, `bucket` and `seconds`."""
        found = self._found(events)
        length = case((found.c.start.is_(None), 0), else_=found.c.stop - found.c.start)
        into = func.mod(found.c.stop - self.offset + self.length, self.length)
        keys = [found.c[name] for name in self.keys]
        return select(
            (found.c.stop - into).label("window"),
            *keys,
            bucket_of(found.c.start, found.c.stop).label("bucket"),
            length.label("seconds"),
        ).where(*([only(found.c.stop)] if only else []))

    def _found(self, events: FromClause) -> FromClause:
        """Return each end with the second of its begin, which is null if it has none."""
        stopped = self._stopped(events)
        at, ends = stopped.c.second, stopped.c.ends
        begin = func.min(at).filter(~ends & (at >= stopped.c.stop - self.give_up))
        keys = [func.max(stopped.c[name]).filter(ends).label(name) for name in self.keys]
        parts = [stopped.c[name] for name in ("id", "episode", "stop")]
        chosen = select(*parts, begin.label("start"), *keys).where(stopped.c.stop.is_not(None))
        return chosen.group_by(*parts).subquery("found")

    def _stopped(self, events: FromClause) -> FromClause:
        """Return the events with the second of the end that comes next, be it the event itself."""
        ranked = self._ranked(events)
        of_episode = [ranked.c.id, ranked.c.episode]
        stop = func.max(ranked.c.second).filter(ranked.c.ends).over(partition_by=of_episode)
        return select(*ranked.c, stop.label("stop")).subquery("stopped")

    def _ranked(self, events: FromClause) -> FromClause:
        """Return the events with the number of ends of their id before them."""
        second = second_of(events.c.timestamp)
        order = [second, events.c.ends, collate(events.c.msg_id, "C")]
        before = func.count().filter(events.c.ends).over(events.c.id, order, rows=(None, -1))
        keys = [events.c[name] for name in self.keys]
        columns = [events.c.id, second.label("second"), events.c.ends, *keys, before.label("episode")]
        return select(*columns).subquery("ranked")


def bucket_of(start: Any, stop: Any) -> Case[Any]:
    """Return the bucket of a duration; that of ends without a begin where the start is null."""
    seconds = stop - start
    place = 1 + func.ceil(func.ln(cast(seconds, Double)) / cast(STEP, Double))
    return case((start.is_(None), WITHOUT_BEGIN), (seconds == 0, ZERO), else_=cast(place, SmallInteger))


def second_of(instant: Any) -> ColumnElement[int]:
    """Return the seconds since 1970 of an instant that is a whole second."""
    return cast(extract("epoch", instant), BigInteger)
