"""A stretch of bus time in whole seconds, and its arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from statscache.instants import END_OF_TIME


@dataclass(frozen=True, order=True)
class Span:
    """Bus time from the second `start` until just before the second `stop`, both in whole seconds since 1970 UTC.

    :raises ValueError: if it would be empty
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.start >= self.stop:
            raise ValueError(f"a span ends after its start, unlike {self.start} to {self.stop}")

    def __contains__(self, second: int) -> bool:
        return self.start <= second < self.stop

    def __str__(self) -> str:
        start, stop = (
            datetime.fromtimestamp(min(end, END_OF_TIME - 1), UTC) for end in (self.start, self.stop)
        )
        return f"{start:%Y-%m-%d %H:%M:%S} to {stop:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.stop - self.start


def window_start(second: int, length: int, offset: int) -> int:
    """Return where the window starts that a second lies in.

    :param length: of a window, in seconds
    :param offset: where in such a length, counted from 1970, a window starts
    """
    return second - (second - offset) % length


def without(span: Span, others: Iterable[Span]) -> list[Span]:
    """Return what is left of a span without others, oldest first."""
    left, start = [], span.start
    for other in sorted(others):
        if other.stop <= start or other.start >= span.stop:
            continue
        if other.start > start:
            left.append(Span(start, other.start))
        start = max(start, other.stop)
    if start < span.stop:
        left.append(Span(start, span.stop))
    return left


def less(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return what of some spans lies in no others, oldest first. There may be thousands of each."""
    spans = list(spans)
    if not spans:
        return []
    whole = Span(min(span.start for span in spans), max(span.stop for span in spans))
    return without(whole, [*without(whole, spans), *others])


def clipped(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Return what of some spans lies in others, too, oldest first, of which no part touches another."""
    spans = list(spans)
    return less(spans, less(spans, others))
