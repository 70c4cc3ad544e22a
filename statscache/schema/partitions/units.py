"""How much time a partition has: a day or a month, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum

from statscache.span import Span

#: Rows that are kept for less than this are partitioned by the day, all others by the month.
SHORT = timedelta(days=90)
#: Rows that are kept for less than this are dropped one by one: a day more would be much.
SHORTEST = timedelta(days=7)
#: How many partitions are made ahead of the one of now.
AHEAD = {"DAY": 3, "MONTH": 1}


class Unit(Enum):
    """The length of a partition; the value is how its name is made of its start."""

    DAY = "p%Y_%m_%d"
    MONTH = "p%Y_%m"

    @classmethod
    def of(cls, keep: timedelta | None) -> Unit:
        """Return that of a table whose rows are kept for some time, None for ever."""
        return cls.DAY if keep is not None and keep < SHORT else cls.MONTH

    def period(self, second: int) -> Span:
        """Return the period that a second since 1970 lies in."""
        day = datetime.fromtimestamp(second, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Unit.DAY:
            return _span(day, day + timedelta(days=1))
        first = day.replace(day=1)
        return _span(first, (first + timedelta(days=31)).replace(day=1))

    def periods(self, second: int) -> list[Span]:
        """Return the period that a second lies in, and those after it that are made ahead of time."""
        spans = [self.period(second)]
        for _ in range(AHEAD[self.name]):
            spans.append(self.period(spans[-1].stop))
        return spans

    def suffix(self, span: Span) -> str:
        """Return how the name ends of the partition of a period."""
        return datetime.fromtimestamp(span.start, UTC).strftime(self.value)


def _span(start: datetime, stop: datetime) -> Span:
    return Span(int(start.timestamp()), int(stop.timestamp()))
