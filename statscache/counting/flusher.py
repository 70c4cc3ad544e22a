"""The timer: every interval, what was accepted becomes rows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from statscache.component import ComponentState, WatchedState, Work
from statscache.counting.commits import Commits
from statscache.counting.pause import Pause
from statscache.counting.wake import Wake
from statscache.database.trouble import DENIED, first_line, is_database_trouble, state_of
from statscache.errors import StatscacheError, is_interrupt
from statscache.intake.backlog import Backlog

log = logging.getLogger(__name__)

#: How often in seconds the quarantine, the ledger and the directory of spools are looked after.
UPKEEP = 10.0
#: How often in seconds the flusher looks whether a burst is over, which then need not wait for the next flush.
LOOK = 0.1
#: How often in seconds the database, and its clock, are looked at.
PROBE = 2.0


class Chores(Protocol):
    """What is done beside the flush, on its thread; each raises whatever it meets, and is done again later."""

    def keep_up(self) -> None: ...
    def use_spare_time(self) -> bool: ...


class Flusher:
    """Flushes every `interval` seconds, on a thread of its own, and earlier when hurried.

    :param commits: commits one batch after the other
    :param backlog: gives the batches
    :param chores: what else is to be done, every `UPKEEP` seconds and between two flushes
    :param probe: raises what is wrong if the database is away
    :param wake: wakes the thread
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self,
        commits: Commits,
        backlog: Backlog,
        interval: float,
        chores: Chores,
        probe: Callable[[], object],
        wake: Wake,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commits = commits
        self._backlog = backlog
        self._interval = interval
        self._chores = chores
        self._probe = probe
        self._wake = wake
        self._clock = clock
        self._next_upkeep = clock()
        self._pause, self._spare_pause = Pause(clock), Pause(clock)
        self._due = clock() + interval
        self._next_probe = clock() + PROBE
        #: How flushes go, how the upkeep does, and whether the database is there.
        self.flushes, self.upkeep, self.database = (
            ComponentState(clock),
            ComponentState(clock),
            WatchedState("the database", clock),
        )
        #: What the thread is doing; None while it waits.
        self.work: Work | None = None
        self._stopping = self._written = False
        self._patience = 0.0
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self.run, name="statscache-flush", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most; return whether all is written. The thread ends.

        Where it does not end in time, it is in a transaction that does not; what that was to write is kept, too.
        """
        self._patience = patience
        self._stopping = True
        self._wake.nudge()
        if self._thread.is_alive():
            self._thread.join(patience + 0.1)
        else:
            self._written = self.write_all(patience)
        return self._written

    def run(self) -> None:
        """Flush until stopped. The body of the thread."""
        while not self._stopping:
            now = self._clock()
            self._wake.wait(max(min(self._due - now, self._next_probe - now, LOOK), 0.0))
            if self._is_due() or self._backlog.lull:
                self._wake.hurried = False
                while not self._stopping and self.tick():
                    self.look()  # a backlog can take long
                self._due = self._clock() + self._interval
            while not self._stopping and not self._is_due() and self.use_spare_time():
                pass
            if not self._stopping:
                self.look()
        self._written = self.write_all(self._patience)

    def write_all(self, patience: float) -> bool:
        """Write all that was accepted, trying for so many seconds; return whether it is written."""
        deadline = self._clock() + patience
        while True:
            try:
                if not self.step():
                    return True
            except BaseException as error:
                if is_interrupt(error):
                    raise
                log.error("the remaining messages could not be written: %s", first_line(error))
                time.sleep(0.2)
            if self._clock() >= deadline:
                return False

    def tick(self) -> bool:
        """Write one batch unless the last one failed a moment ago, and return whether more is waiting.

        What goes wrong is logged, and tried again later.
        """
        if not self._pause.over:
            return False
        try:
            more = self.step() and self._backlog.waiting
        except BaseException as error:  # noqa: BLE001  see _failed
            self._failed(error, self._pause, "the flush failed, all of it is kept; next try")
            self.flushes.fail(first_line(error))
            self._next_probe = self._clock()
            return False
        self.flushes.succeed()
        self._pause.end()
        self._keep_up()
        return more

    def use_spare_time(self) -> bool:
        """Do a little of what can wait, unless it failed a moment ago; return whether there may be more."""
        if not self._spare_pause.over:
            return False
        try:
            with self._one_at_a_time, self._working("the work between flushes"):
                more = self._chores.use_spare_time()
        except BaseException as error:  # noqa: BLE001  see _failed
            self._failed(error, self._spare_pause, "the work between flushes failed; next try")
            return False
        self._spare_pause.end()
        return more

    def look(self) -> None:
        """Check whether the database is there, unless it was checked a moment ago. Once it is back, end the pause."""
        if self._clock() < self._next_probe:
            return
        try:
            with self._working("the check of the database"):
                self._probe()
        except Exception as error:  # noqa: BLE001  whatever it is, the database does not answer
            self.database.fail(first_line(error))
        else:
            if self.database.succeed():
                self._pause.end()
                self._wake.hurry()
        self._next_probe = self._clock() + PROBE

    @contextmanager
    def _working(self, what: str) -> Iterator[None]:
        self.work = Work(what, self._clock())
        try:
            yield
        finally:
            self.work = None

    def _is_due(self) -> bool:
        return self._wake.hurried or self._clock() >= self._due

    def _failed(self, error: BaseException, pause: Pause, what: str) -> None:
        """Begin a pause, and log why."""
        if is_interrupt(error):
            raise error
        log.error("%s in %.0f s: %s", what, pause.lengthen(), first_line(error), exc_info=_unknown(error))

    def step(self) -> bool:
        """Write one batch, and return whether there was one.

        :raises Exception: whatever made its transaction fail; then all is still there to be written
        """
        with self._one_at_a_time, self._working("the flush"):
            if not self._commits.commit_next():
                return False
            self.database.succeed()
            return True

    def flush(self) -> None:
        """Write all that was accepted.

        :raises Exception: whatever made a transaction fail; then all of it is still there to be written
        """
        while self.step():
            pass

    def _keep_up(self) -> None:
        if self._clock() >= self._next_upkeep:
            try:
                with self._working("the upkeep"):
                    self._chores.keep_up()
            except Exception as error:
                self.upkeep.fail(first_line(error))
                log.error(
                    "the upkeep failed and is tried again: %s", first_line(error), exc_info=_unknown(error)
                )
            else:
                self.upkeep.succeed()
            self._next_upkeep = self._clock() + UPKEEP


def _unknown(error: BaseException) -> BaseException | None:
    """Return an error of which its first line does not say all; None for one of the database or of ours."""
    known = is_database_trouble(error) or isinstance(error, StatscacheError) or state_of(error) == DENIED
    return None if known else error
