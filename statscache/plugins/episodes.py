"""What comes of the events of durations, and by how much that changes the windows.

The events of an id are in order of their whole second, begins before ends, then their `msg_id`. Each end has one
result. Its begin is the earliest one after the end before it that is at most `give_up` older; without one it counts as
an end without a begin. So a result depends only on events of the time from `give_up` before the end up to it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Numeric,
    Select,
    Table,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import INTERVAL

from statscache.span import window_start

#: Two durations whose natural logarithms differ by less than this may be in one bucket.
STEP = 0.018
#: The bucket of ends without a begin, and that of durations of less than a second.
WITHOUT_BEGIN, ZERO = -1, 0
#: The columns of an event, before those of its keys. They are its primary key.
EVENT = ("id", "timestamp", "ends", "msg_id")
#: An event: its id, its second since 1970, whether it is an end, its message's id, and its keys.
Event = Sequence[Any]
#: The events of an id as they were, and as they are.
BeforeAndAfter = tuple[Iterable[Event], Iterable[Event]]
#: By how much a row changes: its window, its keys, its bucket, its volume and its seconds.
Change = tuple[Any, ...]
#: What the events of an id are in the order of.
ORDER = itemgetter(1, 2, 3)


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

    def changes(
        self, ids: Iterable[BeforeAndAfter], only: Callable[[int], bool] = lambda stop: True
    ) -> list[Change]:
        """Return by how much windows change.

        :param ids: for each id its events, at least those on which the ends depend that differ
        :param only: tells, of the second of an end, whether it is meant
        """
        sums: defaultdict[Change, list[int]] = defaultdict(lambda: [0, 0])
        for before, after in ids:
            for events, sign in ((before, -1), (after, 1)):
                for stop, place, seconds in self._results(events):
                    if only(stop):
                        amounts = sums[place]
                        amounts[0] += sign
                        amounts[1] += sign * seconds
        return [(*place, *amounts) for place, amounts in sums.items() if any(amounts)]

    def _results(self, events: Iterable[Event]) -> Iterator[tuple[int, Change, int]]:
        """Yield for each end of an id its second, the primary key of its row, and its duration."""
        begins: list[int] = []
        for _, second, ends, _, *keys in sorted(events, key=ORDER):
            if not ends:
                begins.append(second)
                continue
            earliest = second - self.give_up
            start = next((begin for begin in begins if begin >= earliest), None)
            begins.clear()
            window = window_start(second, self.length, self.offset)
            yield second, (window, *keys, bucket_of(start, second)), 0 if start is None else second - start

    def selected(self, events: FromClause) -> list[ColumnElement[Any]]:
        """Return the columns that give events, of a table that has them."""
        second = second_of(events.c.timestamp).label("second")
        return [events.c.id, second, *(events.c[name] for name in self.columns[2:])]

    def around(self, touched: FromClause) -> Select[Any]:
        """Return what selects the rows of events on which the ends depend that some events can change.

        :param touched: these, with columns `id` and `timestamp`
        """
        first, last = (make(touched.c.timestamp) for make in (func.min, func.max))
        times = (
            select(touched.c.id, first.label("first"), last.label("last")).group_by(touched.c.id).subquery()
        )
        reach = literal(timedelta(seconds=self.give_up), INTERVAL())
        its = self.events.c
        near = its.timestamp.between(times.c.first - reach, times.c.last + reach)
        columns = [its[name] for name in self.columns]
        return select(*columns).join_from(self.events, times, and_(its.id == times.c.id, near))


def bucket_of(start: int | None, stop: int) -> int:
    """Return the bucket of a duration; that of ends without a begin where there is no start."""
    if start is None:
        return WITHOUT_BEGIN
    return 1 + math.ceil(math.log(stop - start) / STEP) if stop > start else ZERO


def length_of(bucket: Any) -> ColumnElement[Any]:
    """Return the seconds that stand for a bucket: as far from its least as from its greatest, as a share of each."""

    def end(of: str) -> Any:
        width = literal(Decimal(str(STEP)), Numeric) * (bucket - literal(Decimal(of), Numeric))
        return func.floor(func.exp(width, type_=Numeric()), type_=Numeric())

    least, greatest = end("2.0") + 1, end("1.0")
    return case((bucket == 0, 0.0), else_=cast(2 * least * greatest / (least + greatest), Double))


def second_of(instant: Any) -> ColumnElement[int]:
    """Return the seconds since 1970 of an instant that is a whole second."""
    return cast(extract("epoch", instant), BigInteger)
