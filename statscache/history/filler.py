"""Fills the gaps of a running daemon from an archive, in the background."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from statscache.component import Backoff, ComponentState
from statscache.database.trouble import first_line
from statscache.history.archives.archive import Archive, HistoryError, Hole, Slice
from statscache.history.asking import asked
from statscache.history.plan import Piece
from statscache.history.topics import Topics
from statscache.process.steady_event import SteadyEvent
from statscache.span import Span, without

log = logging.getLogger(__name__)

#: How often in seconds the filler looks for gaps, and for newer ones while it fills an old one.
LOOK = 10.0
ROUND = 60.0
#: How long in seconds a span that an archive did not give is left alone: then twice as long, up to a bound.
SHORTEST, LONGEST = 60.0, 3600.0


@dataclass
class Postponed:
    """A span that the archive did not give, to be asked for again later.

    :param failures: how often in a row it was not given
    """

    span: Span
    until: float
    failures: int


class Filler:
    """Fetches what plugins lack on a thread of its own; the flush's thread counts it.

    :param plan: returns what is lacking, newest first
    :param count: counts a slice for some plugins, called on the flush's thread
    :param nudge: called when there is something to count
    :param wanted: what each plugin wants, without those that want all
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self,
        archive: Archive,
        plan: Callable[[], list[Piece]],
        count: Callable[[Slice, frozenset[str]], int],
        nudge: Callable[[], None],
        wanted: Mapping[str, Topics],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive
        self._plan = plan
        self._count = count
        self._nudge = nudge
        self._wanted = wanted
        self._clock = clock
        self._fetched: queue.Queue[tuple[Slice, frozenset[str]]] = queue.Queue(maxsize=2)
        self._postponed: list[Postponed] = []
        self._backoff = Backoff(SHORTEST, LONGEST)
        self._failures = 0
        self._stopping = SteadyEvent()
        self._thread = threading.Thread(target=self.run, name="statscache-history", daemon=True)
        #: How many messages were counted from the archive since the start.
        self.counted = 0
        #: Whether the archive and the counting work.
        self.state = ComponentState(clock)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it has fetched is fetched again another time."""
        self._stopping.set()
        self._archive.close()

    def run(self) -> None:
        """Fetch until stopped. The body of the thread."""
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = 0.0 if self.fetch() else LOOK
                self._failures = 0
                self.state.succeed()
            except Exception as error:
                if self._stopping.is_set():
                    return
                self._failures += 1
                pause = self._backoff.pause(self._failures)
                self.state.fail(first_line(error))
                log.error(
                    "filling gaps failed; next try in %.0f s: %s",
                    pause,
                    first_line(error),
                    exc_info=None if isinstance(error, HistoryError) else error,
                )

    def fetch(self) -> bool:
        """Fetch the newest of what is lacking, for a while, and return whether there was any."""
        pieces = self._due(self._plan())
        if not pieces:
            return False
        piece, until = asked(pieces[:1], self._wanted, self._archive)[0], self._clock() + ROUND
        log.info("filling %s from the archive", piece.span)
        for part in self._archive.slices(piece.span, piece.topics):
            if isinstance(part, Hole):
                self._postpone(part)
            elif not self._hand_over(part, piece.plugins):
                return True
            if self._clock() > until:
                break
        self._wait_until_counted()
        return True

    def count_one(self) -> bool:
        """Count a slice that has been fetched, and return whether there was one. For the flush's thread.

        :raises Exception: if the transaction failed; then the slice is fetched again
        """
        try:
            found, plugins = self._fetched.get_nowait()
        except queue.Empty:
            return False
        try:
            self.counted += self._count(found, plugins)
        finally:
            self._fetched.task_done()
        return True

    def _due(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return the pieces without what is postponed."""
        now = self._clock()
        held = [postponed.span for postponed in self._postponed if postponed.until > now]
        return [
            Piece(span, piece.plugins) for piece in pieces for span in reversed(without(piece.span, held))
        ]

    def _postpone(self, hole: Hole) -> None:
        overlap = [
            p for p in self._postponed if p.span.start < hole.span.stop and hole.span.start < p.span.stop
        ]
        failures = 1 + max((p.failures for p in overlap), default=0)
        pause = self._backoff.pause(failures)
        self._postponed = [p for p in self._postponed if p not in overlap]
        self._postponed.append(Postponed(hole.span, self._clock() + pause, failures))
        log.warning("%s; the gap stays, next try in %.0f s", hole.reason, pause)

    def _hand_over(self, part: Slice, plugins: frozenset[str]) -> bool:
        """Leave a slice to the flush's thread, waiting for room; return False if the filler stops meanwhile."""
        while not self._stopping.is_set():
            try:
                self._fetched.put((part, plugins), timeout=0.2)
            except queue.Full:
                continue
            self._nudge()
            return True
        return False

    def _wait_until_counted(self) -> None:
        while self._fetched.unfinished_tasks and not self._stopping.wait(0.02):
            pass
