"""The threads that fetch pages."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.client import Stopped, Unavailable
from statscache.history.archives.datagrepper.completeness import (
    ArchivePage,
    Ask,
    Attempt,
    Failed,
    Incomplete,
    Total,
)
from statscache.process.steady_event import SteadyEvent
from statscache.span import Span

#: Fetches one page of an attempt; gives up when the event is set.
Fetch = Callable[[Attempt, Ask, threading.Event], ArchivePage]


@dataclass(order=True)
class _Task:
    rank: tuple[bool, int]
    ask: Ask = field(compare=False)
    attempt: Attempt = field(compare=False)
    run: Run = field(compare=False)


class Fetchers:
    """A fixed number of threads that live while there is a run.

    They are daemons, since a ThreadPoolExecutor's keep the interpreter alive until the last request has timed out.
    """

    def __init__(self, fetch: Fetch, threads: int) -> None:
        self._fetch = fetch
        self._threads = threads
        self._alive = 0
        self._closed = False
        self._numbers = itertools.count()
        self._tasks: list[_Task] = []
        self._runs: set[Run] = set()
        self.changed = threading.Condition()

    def run(self) -> Run:
        """Begin a run."""
        run = Run(self)
        with self.changed:
            if self._closed:
                run.stop.set()
                return run
            self._runs.add(run)
            while self._alive < self._threads:
                self._alive += 1
                threading.Thread(target=self._work, name="statscache-history", daemon=True).start()
        return run

    def end(self, run: Run) -> None:
        """End a run; what is under way for it is not waited for."""
        run.stop.set()
        with self.changed:
            self._runs.discard(run)
            self.changed.notify_all()

    def close(self) -> None:
        """End all runs, also those that somebody waits for in another thread."""
        with self.changed:
            self._closed = True
            runs = list(self._runs)
        for run in runs:
            self.end(run)

    def add(self, run: Run, attempt: Attempt, asks: list[Ask]) -> None:
        """Have pages fetched; the caller holds `changed`.

        First pages and totals come before all others: more follows from them, so that no thread is ever idle.
        """
        if run.stop.is_set():
            return
        for ask in asks:
            heapq.heappush(self._tasks, _Task((ask.page > 1, next(self._numbers)), ask, attempt, run))
        self.changed.notify_all()

    def _work(self) -> None:
        while task := self._next():
            self._do(task)

    def _next(self) -> _Task | None:
        with self.changed:
            self.changed.wait_for(lambda: self._tasks or not self._runs)
            if self._runs:
                return heapq.heappop(self._tasks)
            self._tasks.clear()
            self._alive -= 1
            return None

    def _do(self, task: _Task) -> None:
        if task.run.stop.is_set() or not task.attempt.wants(task.ask):
            return
        answer = self._answer(task)
        with self.changed:
            task.run.answers += isinstance(answer, ArchivePage)
            if not task.attempt.wants(task.ask):
                return
            if isinstance(answer, ArchivePage):
                self.add(task.run, task.attempt, task.attempt.take(task.ask, answer))
            else:
                task.attempt.fail(answer)
            self.changed.notify_all()

    def _answer(self, task: _Task) -> ArchivePage | Incomplete | Exception:
        try:
            return self._fetch(task.attempt, task.ask, task.run.stop)
        except Unavailable as error:
            return Failed(f"page {task.ask.page or 1}: {error}", error.unreachable)
        except Exception as error:  # noqa: BLE001  the thread's edge: who waits for the attempt gets it
            return error


class Run:
    """What one reader has fetched.

    :param answers: how many pages have come
    """

    def __init__(self, fetchers: Fetchers) -> None:
        self._fetchers = fetchers
        self.stop = SteadyEvent()
        self.answers = 0

    def begin(self, attempt: Attempt) -> Attempt:
        """Have the attempt's pages fetched, and return it."""
        with self._fetchers.changed:
            self._fetchers.add(self, attempt, [attempt.first])
        return attempt

    def outcome(self, attempt: Attempt) -> Slice | Incomplete:
        """Wait for the end of an attempt.

        :raises HistoryError: if what answers is not datagrepper
        :raises Stopped: if the run ends meanwhile
        """
        self._wait(lambda: attempt.outcome is not None)
        assert attempt.outcome is not None
        if isinstance(attempt.outcome, Exception):
            raise attempt.outcome
        return attempt.outcome

    def totals(self, span: Span, topics: Sequence[tuple[str, ...] | None]) -> list[int]:
        """Return how many rows of a span have one of some topics, by several such; None for all rows.

        :raises Unavailable: if one cannot be had
        :raises HistoryError: if what answers is not datagrepper
        :raises Stopped: if the run ends meanwhile
        """
        return [self._total(attempt) for attempt in [self.begin(Total(span, 1, 0, its)) for its in topics]]

    def _total(self, attempt: Attempt) -> int:
        outcome = self.outcome(attempt)
        if isinstance(outcome, Incomplete) or attempt.total is None:
            raise Unavailable(f"the total of {attempt.span} cannot be had")
        return attempt.total

    def await_total(self, attempt: Attempt) -> None:
        """Wait for the first page of an attempt, or for its failure.

        :raises Stopped: if the run ends meanwhile
        """
        self._wait(lambda: attempt.total is not None or attempt.outcome is not None)

    def end(self) -> None:
        """Let nothing more be fetched, and wait for nothing."""
        self._fetchers.end(self)

    def _wait(self, ready: Callable[[], bool]) -> None:
        with self._fetchers.changed:
            self._fetchers.changed.wait_for(lambda: self.stop.is_set() or ready())
        if self.stop.is_set():
            raise Stopped("reading it was stopped")
