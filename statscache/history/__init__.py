"""Messages of the past, from an archive, in slices that are complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from statscache.errors import StatscacheError
from statscache.messages.message import END_OF_TIME


class HistoryError(StatscacheError):
    """An archive that cannot be used; one sentence that names it, what was expected and what to do."""


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


@dataclass(frozen=True)
class Slice:
    """All messages that an archive has of a span.

    :param bodies: the messages as they came over the bus; those of other seconds do not matter
    """

    span: Span
    bodies: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class Hole:
    """A span that an archive did not give whole.

    :param reason: why not, in a sentence
    """

    span: Span
    reason: str


class Archive(Protocol):
    """Where old messages are."""

    def slices(self, span: Span) -> Iterator[Slice | Hole]:
        """Yield what the archive has of the span, in parts that together are all of it.

        Each part is of a size that fits into memory: some thousand messages.

        :raises HistoryError: if what is there is no such archive
        """
        ...

    def close(self) -> None:
        """End what is under way, from whichever thread."""
        ...
