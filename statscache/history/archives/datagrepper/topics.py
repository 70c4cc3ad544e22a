"""Which topics a datagrepper has, and the proof that a time has no others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any
from urllib.parse import quote_plus

from statscache.history.archives.archive import HistoryError
from statscache.history.archives.datagrepper.client import Client, Unavailable
from statscache.history.archives.datagrepper.fetchers import Run
from statscache.history.topics import Topics
from statscache.span import Span

log = logging.getLogger(__name__)

#: For so many seconds a list of topics is good enough, or that there is none: the archive itself keeps it as long.
VALID_S = 3600.0
#: How many characters of a query topics may take: servers refuse one that is much longer.
LONGEST = 4000
Group = tuple[str, ...]


@dataclass(frozen=True)
class Some:
    """What is asked for of an archive.

    :param wanted: the topics of which rows are wanted
    :param known: all topics that it says it has, each once, as many together as fit into a query
    """

    wanted: Group
    known: list[Group]


class TopicsOf:
    """The topics of an archive.

    :param client: asks for their list, of which nobody knows how old it is
    """

    def __init__(self, client: Client, rows_per_page: int) -> None:
        self._client = client
        self._rows_per_page = rows_per_page
        self._list: list[str] = []
        self._until = -inf  # on the monotonic clock

    def some(self, topics: Topics, run: Run) -> Some | None:
        """Return what to ask for; None if topics are not listed, or too many are wanted for a query."""
        known = self._listed(run)
        wanted = grouped(topics.among(known))
        return Some(wanted[0] if wanted else (), grouped(known)) if known and len(wanted) < 2 else None

    def are_all(self, span: Span, some: Some, run: Run) -> bool:
        """Return whether a span has no row of an unknown topic, by the archive's own totals.

        No row ever goes. So if those of known topics were as many as all are, asked for last, there is no other.
        """
        try:
            return sum(run.totals(span, some.known)) == sum(run.totals(span, [None]))
        except (HistoryError, Unavailable) as error:
            log.info("messages of all topics are read of %s, whose total cannot be had: %s", span, error)
            return False

    def shares(self, span: Span, wanted: Sequence[Topics], most: int, run: Run) -> list[float]:
        """Return what part of the requests for a span is to be made for some topics, the proof included.

        :param most: where it has no more rows it is one slice, of which all is asked for
        :raises Unavailable: if a total cannot be had
        """
        known = self._listed(run)
        total = sum(run.totals(span, [None])) if known else 0
        if total <= most:
            return [1.0] * len(wanted)
        proof, pages = len(grouped(known)) + 1, total / self._rows_per_page
        names = (grouped(topics.among(known)) for topics in wanted)
        return [min((self._pages(span, groups, run) + proof) / pages, 1.0) for groups in names]

    def _pages(self, span: Span, groups: Sequence[Group], run: Run) -> float:
        """Return how many pages rows of these topics have; infinitely many if they do not fit into a query."""
        if len(groups) > 1:
            return float("inf")
        return sum(run.totals(span, groups)) / self._rows_per_page

    def _listed(self, run: Run) -> list[str]:
        """Return the topics, which are asked for now and then; none if the archive has no list."""
        if time.monotonic() > self._until:
            try:
                self._list = self._client.get({}, _read, run.stop)
            except (HistoryError, Unavailable) as error:
                log.info("messages of all topics are read, as there is no list of topics: %s", error)
                self._list = []
            self._until = time.monotonic() + VALID_S
        return self._list


def grouped(topics: Iterable[str]) -> list[Group]:
    """Return topics in groups of which each fits into a query."""
    groups: list[list[str]] = []
    room = 0
    for topic in topics:
        length = len("&topic=" + quote_plus(topic))
        if length > room:
            groups.append([])
            room = LONGEST
        groups[-1].append(topic)
        room -= length
    return [tuple(group) for group in groups]


def _read(answer: Any) -> list[str]:
    if not isinstance(answer, list) or not all(isinstance(topic, str) for topic in answer):
        raise HistoryError("the answer is no list of topics")
    return list(dict.fromkeys(answer))
