"""The one way out: what is queued becomes rows, in one transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from statscache.db import counting, first_line, is_database_trouble
from statscache.intake import Intake
from statscache.runner import Runner

log = logging.getLogger(__name__)

#: The longest pause in seconds before what has failed is tried again.
LONGEST_PAUSE = 30.0


class Pause:
    """How long to leave alone what has failed: one second, then twice as long each time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._length = 0.0
        self._until = 0.0

    @property
    def over(self) -> bool:
        """Whether it is time to try."""
        return self._clock() >= self._until

    def lengthen(self) -> float:
        """Begin a pause after a failure and return its length in seconds."""
        self._length = min(self._length * 2 or 1.0, LONGEST_PAUSE)
        self._until = self._clock() + self._length
        return self._length

    def end(self) -> None:
        """Forget the failures."""
        self._length = self._until = 0.0


class Flusher:
    """Flushes every `interval` seconds, on a thread of its own, and earlier when hurried.

    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        runners: Sequence[Runner],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._runners = runners
        self._interval = interval
        self._pause = Pause(clock)
        self._pauses = {runner.ident: Pause(clock) for runner in runners}
        self._hurry = threading.Event()
        self._stopping = False
        self._one_at_a_time = threading.Lock()
        self._thread = threading.Thread(target=self.run, name="statscache-flush", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def hurry(self) -> None:
        """Flush now rather than at the end of the interval."""
        self._hurry.set()

    def stop(self) -> None:
        """End the thread, after the flush that it may be in."""
        self._stopping = True
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> None:
        """Flush until stopped. The body of the thread."""
        while not self._stopping:
            self._hurry.wait(self._interval)
            self._hurry.clear()
            if not self._stopping:
                self.tick()

    def tick(self) -> None:
        """Flush unless the last one failed a moment ago; what goes wrong is logged, and tried again later."""
        if not self._pause.over:
            return
        try:
            self.flush()
        except Exception as error:
            trouble = is_database_trouble(error)
            log.error(
                "the flush failed, all of it is kept and tried again in %.0f s: %s",
                self._pause.lengthen(),
                first_line(error),
                exc_info=None if trouble else error,
            )
        else:
            self._pause.end()

    def flush(self, even_paused: bool = False) -> int:
        """Write all that was accepted so far, in one transaction, each plugin in a savepoint of its own.

        A plugin whose `update` fails keeps what it had to write and is tried again after a pause; the others
        commit. If the transaction fails, all keep it.

        :param even_paused: also try the plugins that failed a moment ago
        :return: how many plugins still have something to write
        :raises Exception: whatever made the transaction fail
        """
        with self._one_at_a_time:
            self._intake.cut()
            waiting = [runner for runner in self._runners if runner.waiting]
            due = [runner for runner in waiting if even_paused or self._pauses[runner.ident].over]
            if due:
                self._write(due)
            return sum(runner.waiting for runner in waiting)

    def _write(self, due: Sequence[Runner]) -> None:
        try:
            with counting(self._engine) as connection:
                written = [runner for runner in due if self._update(runner, connection)]
        except BaseException:
            for runner in due:
                runner.failed()
            raise
        for runner in written:
            runner.succeeded()
            self._pauses[runner.ident].end()

    def _update(self, runner: Runner, connection: Connection) -> bool:
        """Let one plugin write, and return whether it did.

        The order of the calls is what contains every way in which a plugin can leave its session.
        """
        savepoint = connection.begin_nested()
        session = Session(connection, join_transaction_mode="create_savepoint")
        try:
            runner.update(session)
            session.commit()
            session.close()
            savepoint.commit()
        except Exception as error:
            if is_database_trouble(error):
                raise
            session.rollback()
            session.close()
            savepoint.rollback()
            self._report(runner, error)
            return False
        return True

    def _report(self, runner: Runner, error: Exception) -> None:
        runner.failed()
        pause = self._pauses[runner.ident].lengthen()
        log.error(
            "%s could not update its table, keeps what it has and is tried again in %.0f s: %s: %s",
            runner.ident,
            pause,
            type(error).__name__,
            first_line(error),
            exc_info=error,
        )
