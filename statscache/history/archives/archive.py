"""What an archive is, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from statscache.errors import StatscacheError
from statscache.span import Span


class HistoryError(StatscacheError):
    """An archive that cannot be used; one sentence that names it, what was expected and what to do."""


@dataclass(frozen=True)
class Slice:
    """All messages that an archive has of a span.

    :param bodies: the messages in any form that `as_sent` knows; those of other seconds do not matter
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
