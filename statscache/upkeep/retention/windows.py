"""Which time of a table may be dropped: whole windows, of which a coarser table has all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from statscache.instants import END_OF_TIME
from statscache.plugins import Schedule
from statscache.span import Span, clipped, window_start

#: All time that messages can have.
EVER = Span(0, END_OF_TIME)


@dataclass(frozen=True)
class Windows:
    """Windows of one length, one after the other.

    :param length: in seconds
    :param offset: where in such a length, counted from 1970, a window starts
    """

    length: int
    offset: int = 0

    @classmethod
    def of(cls, schedule: Schedule) -> Windows:
        """Return those of a schedule."""
        return cls(schedule.seconds, int(schedule.epoch.timestamp()) % schedule.seconds)

    def start(self, second: int) -> int:
        """Return where the window starts that a second lies in."""
        return window_start(second, self.length, self.offset)

    def after(self, second: int) -> int:
        """Return where the first window starts that does so at a second or later."""
        return -window_start(-second, self.length, -self.offset)

    def whole(self, spans: Iterable[Span]) -> list[Span]:
        """Return the windows that lie wholly in one of some spans, of which none touches another."""
        ends = [(self.after(its.start), self.start(its.stop)) for its in spans]
        return [Span(start, stop) for start, stop in ends if start < stop]


@dataclass(frozen=True)
class Coarser:
    """What a table with longer windows has.

    :param complete: the spans of which it has every message, oldest first, of which none touches another
    """

    windows: Windows
    complete: tuple[Span, ...]


def droppable(old: Span, windows: Windows, coarser: Coarser | None) -> list[Span]:
    """Return the windows that may be dropped, oldest first.

    A window of the coarser table counts only if all of it is complete: what is left of one that is not would be a
    figure of two times.

    :param old: the time that is old enough
    :param coarser: None where nothing else needs to have the time
    """
    if coarser is None:
        return windows.whole([old])
    return windows.whole(clipped(coarser.windows.whole(coarser.complete), [old]))
