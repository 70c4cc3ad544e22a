"""What an archive is, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from statscache.errors import StatscacheError
from statscache.history.topics import Topics
from statscache.span import Span


class HistoryError(StatscacheError):
    """An archive that cannot be used; one sentence that names it, what was expected and what to do."""


@dataclass(frozen=True)
class Slice:
    """All messages that an archive has of a span, or all of the topics that it was asked for.

    :param bodies: the messages in any form that `as_sent` knows; those of other seconds and topics do not matter
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

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        """Yield what the archive has of the span, in parts that together are all of it.

        Each part is of a size that fits into memory: some thousand messages.

        :param topics: what is wanted of it, None for all; an archive may give more, and never less
        :raises HistoryError: if what is there is no such archive
        """
        ...

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        """Return about what part of its messages of a span each of some topics have, and of the work of reading them.

        It is 1 where it gives all anyway, or cannot tell.

        :raises HistoryError: if what is there is no such archive
        """
        ...

    def close(self) -> None:
        """End what is under way, from whichever thread."""
        ...
