"""When a slice of datagrepper's is complete: the proof, without the network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from statscache.errors import Rejected, number_of
from statscache.history.archives.archive import HistoryError, Slice
from statscache.messages.message import Message
from statscache.span import Span

#: How often the pages of a span are read before it is divided; of one second, which cannot be.
ROUNDS = 3
ROUNDS_OF_A_SECOND = 10


@dataclass(frozen=True)
class ArchivePage:
    """An answer of datagrepper's.

    :param total: how many rows the whole span has, at that moment
    """

    total: int
    rows: list[dict[str, Any]]

    @classmethod
    def read(cls, answer: Any) -> ArchivePage:
        """Return the page of an answer's JSON.

        :raises HistoryError: if it has not datagrepper's form
        :raises ValueError: if it contradicts itself
        """
        total, rows, count = (_get(answer, key) for key in ("total", "raw_messages", "count"))
        if not (_is_number(total) and _is_number(count) and _is_rows(rows)):
            raise HistoryError(
                "the answer is not datagrepper's, expected total, count and a list raw_messages: check the address"
            )
        if count != len(rows):
            raise ValueError(f"its count is {count}, but it has {number_of(len(rows), 'row')}")
        return cls(total, rows)


@dataclass(frozen=True)
class Incomplete:
    """A span that was not given whole.

    :param reason: what was wrong, without a full stop
    """

    reason: str


class Dense(Incomplete):
    """There is more in the span than a slice may hold."""


@dataclass(frozen=True)
class Failed(Incomplete):
    """A page of the span could not be had.

    :param unreachable: whether there was not even a connection
    """

    unreachable: bool


@dataclass(frozen=True, order=True)
class Ask:
    """A request: for a page, or for nothing but the total, which is page 0.

    :param round: how often the pages have been read before
    """

    page: int
    round: int = 0


class Attempt:
    """Reads the pages of a span until they are provably all of it.

    datagrepper orders by timestamp only, so that rows of one instant can change places between two requests: one
    page repeats a row and another omits one. Rows that arrive late shift the pages. But no row ever goes, so if as
    many different rows have come as a total says that is asked for last, these are all. They need not have come
    in one round.

    :param most: how many rows a slice may hold, if it is longer than a second
    :param topics: of which it is read, None for all; of none there is nothing to be read
    """

    #: The first request.
    first: ClassVar[Ask] = Ask(1)

    def __init__(
        self, span: Span, rows_per_page: int, most: int, topics: tuple[str, ...] | None = None
    ) -> None:
        self.span = span
        #: How many rows the span has, once it is known.
        self.total: int | None = None
        self.outcome: Slice | Incomplete | Exception | None = None
        self.topics = topics
        if topics == ():
            self.total, self.outcome = 0, Slice(span, [])
        self._rows_per_page = rows_per_page
        self._most = most
        self._rounds = ROUNDS if span.seconds > 1 else ROUNDS_OF_A_SECOND
        self._round = 0
        self._pages_left = 0
        self._different: dict[str, dict[str, Any]] = {}
        self._all: list[dict[str, Any]] = []

    def wants(self, ask: Ask) -> bool:
        """Return whether an answer to this request is still of use."""
        return self.outcome is None and ask.round == self._round

    def take(self, ask: Ask, page: ArchivePage) -> list[Ask]:
        """Take the answer to a request that `wants` said yes to; return the requests that follow from it."""
        if ask.page == 1:
            return self._take_first(page)
        if page.total != self.total:
            return self._again(f"the total went from {self.total} to {page.total} while it was read")
        if ask.page == 0:
            return self._settle(Slice(self.span, self._all))
        self._keep(page)
        self._pages_left -= 1
        return [] if self._pages_left else self._compare()

    def fail(self, error: Incomplete | Exception) -> None:
        """End it without a slice."""
        self._settle(error)

    def _take_first(self, page: ArchivePage) -> list[Ask]:
        self.total = page.total
        if page.total > self._most and self.span.seconds > 1:
            return self._settle(Dense(f"it has {number_of(page.total, 'row')}"))
        if page.total == len(page.rows):
            return self._take_only(page)
        self._keep(page)
        pages = -(-page.total // self._rows_per_page)
        self._pages_left = pages - 1
        return [Ask(number, self._round) for number in range(2, pages + 1)] or self._compare()

    def _take_only(self, page: ArchivePage) -> list[Ask]:
        """Take all rows at once, even if some are the same."""
        self._all = page.rows
        if page.total < self._rows_per_page:
            return self._settle(Slice(self.span, self._all))
        return [
            Ask(0, self._round)
        ]  # one that came after the count, before the rows, may have pushed one out

    def _keep(self, page: ArchivePage) -> None:
        for row in page.rows:
            self._different[identity(row)] = row

    def _compare(self) -> list[Ask]:
        if len(self._different) != self.total:
            return self._again(f"got {len(self._different)} of {self.total} different rows")
        self._all = list(self._different.values())
        return [Ask(0, self._round)]

    def _again(self, reason: str) -> list[Ask]:
        self._round += 1
        if self._round == self._rounds:
            return self._settle(Incomplete(f"{reason}, in the last of {number_of(self._rounds, 'attempt')}"))
        return [Ask(1, self._round)]

    def _settle(self, outcome: Slice | Incomplete | Exception) -> list[Ask]:
        self.outcome = outcome
        self._different, self._all = {}, []  # only what is complete stays in memory
        return []


class Total(Attempt):
    """Asks for nothing but how many rows a span has."""

    first = Ask(0)

    def take(self, ask: Ask, page: ArchivePage) -> list[Ask]:
        self.total = page.total
        return self._settle(Slice(self.span, []))


def identity(row: dict[str, Any]) -> str:
    """Return what tells a row from all others: the message's id, or a hash of a row that is no usable message.

    It is the id as the archive has it: copies of a message from several buses are rows of their own, which its total
    counts, too.
    """
    try:
        message = Message(row)
        return message.id if message.msg_id is None else str(row["msg_id"])
    except Rejected:
        return "row:" + hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _get(answer: Any, key: str) -> Any:
    return answer.get(key) if isinstance(answer, dict) else None


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)
