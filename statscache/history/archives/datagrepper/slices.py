"""The history that a datagrepper keeps, over its HTTP interface."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import urllib3

from statscache.history.archives.archive import HistoryError, Hole, Slice
from statscache.history.archives.datagrepper.client import RETRY, TIMEOUT, Client, Stopped, Unavailable
from statscache.history.archives.datagrepper.completeness import ArchivePage, Ask, Attempt, Dense, Failed
from statscache.history.archives.datagrepper.fetchers import Fetchers, Run
from statscache.history.archives.datagrepper.topics import Group, Some, TopicsOf
from statscache.history.topics import Topics
from statscache.span import Span

#: The most rows that datagrepper puts on a page.
ROWS_PER_PAGE = 100
#: How many rows a slice may have, unless they are of one second.
MOST = 5000
#: How full a slice shall be of what it may hold.
GOAL = 0.7
#: In seconds: how long the first slice is, and the longest.
HOUR = 3600
WEEK = 7 * 24 * HOUR
#: After so many failures in a row, with no page in between, the server is asked for a sign of life.
FAILURES = 3
#: A second that every archive can tell something about at once: it has no rows.
LIFE = Span(1, 2)
#: How often a slice and the parts of it may turn out not to be whole before such parts are divided no more.
EFFORT = 64
#: How often a slice may have other topics than are known, before all is asked for.
DOUBTS = 8


class Datagrepper:
    """Reads a datagrepper, newest first; nothing is sent before `slices` is read.

    :param endpoint: its address, as in https://apps.fedoraproject.org/datagrepper, with or without /raw
    :param connections: the most requests that are under way at once
    :param timeout: of one try
    :param retry: how often to try again, and after which pauses
    :param rows_per_page: how many rows to ask for at once
    :param most: how many rows a slice may have, unless they are of one second
    :raises HistoryError: if the endpoint is no address
    """

    def __init__(
        self,
        endpoint: str,
        connections: int = 4,
        *,
        timeout: urllib3.Timeout = TIMEOUT,
        retry: urllib3.Retry = RETRY,
        rows_per_page: int = ROWS_PER_PAGE,
        most: int = MOST,
    ) -> None:
        self.url = endpoint.rstrip("/").removesuffix("/raw") + "/raw"
        self.rows_per_page = rows_per_page
        self.most = most
        self._client = Client(self.url, connections, timeout, retry)
        self._fetchers = Fetchers(self._fetch, connections)
        listing = Client(self.url.removesuffix("/raw") + "/topics", 1, timeout, retry.new(total=1))
        self.topics = TopicsOf(listing, rows_per_page)

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        """Yield what it has of the span, newest first, in parts that together are all of it.

        While one part is in use the next is fetched; there are never more than three in memory.

        :param topics: what is wanted, None for all; where topics are not listed it is all, too
        :raises HistoryError: if what answers is not datagrepper
        """
        run = self._fetchers.run()
        try:
            yield from _Reading(self, run, span, topics).parts()
        finally:
            run.end()

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        """Return about what part of the requests for the span is to be made for these topics, by its last week.

        :raises HistoryError: if what answers is not datagrepper
        """
        run, sample = self._fetchers.run(), Span(max(span.start, span.stop - WEEK), span.stop)
        try:
            return self.topics.shares(sample, wanted, self.most, run)
        except (Unavailable, Stopped):
            return [1.0] * len(wanted)
        finally:
            run.end()

    def close(self) -> None:
        """Stop all reading at once, from any thread; what is left of a span becomes a hole."""
        self._fetchers.close()
        self._client.close()

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

    def _fetch(self, attempt: Attempt, ask: Ask, stop: threading.Event) -> ArchivePage:
        query = {
            "start": str(attempt.span.start),
            "end": str(attempt.span.stop),  # inclusive: what was sent at the very stop comes too
            "order": "asc",
            "page": str(ask.page or 1),
            "rows_per_page": str(self.rows_per_page if ask.page else 1),
        }
        some = [("topic", topic) for topic in attempt.topics or ()]
        return self._client.get([*query.items(), *some], self._read, stop)

    def _read(self, answer: object) -> ArchivePage:
        try:
            return ArchivePage.read(answer)
        except HistoryError as error:
            raise HistoryError(f"{self.url}: {error}") from None


class _GivenUp(Exception):
    """The rest of the span is not worth another request; the text says why."""


class _Reading:
    """One way through a span, newest first."""

    def __init__(self, archive: Datagrepper, run: Run, span: Span, topics: Topics | None) -> None:
        self._archive = archive
        self._run = run
        self._span = span
        self._stop = span.stop  # of what was not yielded yet
        self._length = HOUR
        self._effort = EFFORT
        self._failures = 0
        self._answers = 0
        self._topics = topics
        self._some: Some | None = None
        self._doubts = DOUBTS

    def parts(self) -> Iterator[Slice | Hole]:
        """Yield the parts, the last of which is a hole if there is no point in going on."""
        try:
            for part in self._parts():
                yield part
                self._stop = part.span.start
        except (_GivenUp, Stopped) as reason:
            if self._stop > self._span.start:
                yield self._hole(Span(self._span.start, self._stop), str(reason))

    def _parts(self) -> Iterator[Slice | Hole]:
        if self._topics is not None:
            self._some = self._archive.topics.some(self._topics, self._run)
        attempt = self._begin(self._span.stop)
        while attempt:
            attempt = self._fitting(attempt)
            start = attempt.span.start
            reached = attempt.total is not None
            following = self._begin(start) if reached else None
            self._effort = EFFORT
            yield from self._resolved(attempt)
            attempt = following or self._begin(start)

    def _begin(self, stop: int) -> Attempt | None:
        """Have the slice before `stop` fetched, if there is one."""
        start = max(self._span.start, stop - self._length)
        topics = self._some.wanted if self._some else None
        return self._ask(Span(start, stop), topics) if start < stop else None

    def _ask(self, span: Span, topics: Group | None = None) -> Attempt:
        return self._run.begin(Attempt(span, self._archive.rows_per_page, self._archive.most, topics))

    def _fitting(self, attempt: Attempt) -> Attempt:
        """Wait for the attempt's first page, with ever shorter slices until one is not too large."""
        self._run.await_total(attempt)
        while isinstance(attempt.outcome, Dense):
            self._adapt(attempt, longest=attempt.span.seconds // 2)
            shorter = self._begin(attempt.span.stop)
            assert shorter is not None
            attempt = shorter
            self._run.await_total(attempt)
        self._adapt(attempt, longest=min(4 * attempt.span.seconds, WEEK))
        return attempt

    def _adapt(self, attempt: Attempt, longest: int) -> None:
        """Set the length of the next slice, from how dense this one is."""
        if attempt.total is not None:
            goal = int(attempt.span.seconds * self._archive.most * GOAL / max(attempt.total, 1))
            self._length = max(1, min(goal, longest))

    def _resolved(self, attempt: Attempt) -> Iterator[Slice | Hole]:
        """Yield the attempt's slice, or those of its halves, down to holes of a second."""
        outcome = self._run.outcome(attempt)
        if isinstance(outcome, Slice) and attempt.topics is not None and not self._is_all(attempt.span):
            attempt = self._ask(attempt.span)
            outcome = self._run.outcome(attempt)
        if isinstance(outcome, Slice):
            yield outcome
            return
        if isinstance(outcome, Failed):
            self._check_life(outcome)
        if not isinstance(outcome, Dense):  # which is no trouble, and longer than a second
            self._effort -= 1
            if attempt.span.seconds == 1 or self._effort < 0:
                yield self._hole(attempt.span, outcome.reason)
                return
        halves = [self._ask(half, attempt.topics) for half in _halves(attempt.span)]
        while halves:
            yield from self._resolved(halves.pop(0))

    def _is_all(self, span: Span) -> bool:
        """Return whether a span has no row of an unknown topic; after many that have, ask for all."""
        if self._some and self._archive.topics.are_all(span, self._some, self._run):
            return True
        self._doubts -= 1
        self._some = self._some if self._doubts else None
        return False

    def _check_life(self, failure: Failed) -> None:
        """Go on only if the server still answers something.

        :raises _GivenUp: if it does not
        """
        silent = self._run.answers == self._answers
        self._answers = self._run.answers
        self._failures = self._failures + 1 if silent else 1
        if failure.unreachable or (self._failures >= FAILURES and not self._lives()):
            raise _GivenUp(failure.reason)

    def _lives(self) -> bool:
        self._failures = 0
        return not isinstance(self._run.outcome(self._ask(LIFE)), Failed)

    def _hole(self, span: Span, what: str) -> Hole:
        return Hole(span, f"{self._archive.url} did not give all of {span}: {what}")


def _halves(span: Span) -> list[Span]:
    middle = span.start + span.seconds // 2
    return [Span(middle, span.stop), Span(span.start, middle)]
