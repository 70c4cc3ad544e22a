"""Has tasks done by several processes.

Each process is started anew and shares nothing with this one: it has its own plugins, connections and archive. It
counts with the code of one job, in transactions of its own, so that whatever ends a process undoes what it had not
committed, and nothing else. None outlives the process that started it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any

from statscache.app import App
from statscache.errors import HUNG, StatscacheError
from statscache.history.jobs.process import JobFailed, JobTold, work
from statscache.history.jobs.task import Task
from statscache.history.jobs.turn import Turn
from statscache.process.log_lines import is_verbose

#: How long in seconds a process that has nothing more to do may take to end.
PATIENCE = 10.0


class Hung(StatscacheError):
    """A process of several in which a plugin hung."""


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def done_by(jobs: int, tasks: Sequence[Task], app: App) -> Generator[Any]:
    """Have tasks done by so many processes, and yield what they tell as it comes.

    Close the generator to end the processes early.

    :param app: of this process, which has seen to the tables
    :raises StatscacheError: if one of them fails, or is killed; then all have ended
    """
    waiting = deque(tasks)
    with ExitStack() as ends:
        ends.callback(_let_database_stop, app.settings.embedded)
        context = multiprocessing.get_context("spawn")
        arguments = Turn(context), app.seen, is_verbose()
        processes = [_Process(context, ends, arguments) for _ in range(jobs)]
        at_work = {process.connection: process for process in processes}
        while at_work:
            for connection in wait([*at_work]):
                assert isinstance(connection, Connection)
                said = at_work[connection].hear()
                if isinstance(said, JobTold):
                    yield said.what
                elif waiting:
                    connection.send(waiting.popleft())
                else:
                    connection.send(None)
                    del at_work[connection]
        for process in processes:
            process.join()


class _Process:
    """A process that does tasks, from its start until the end of the stack."""

    def __init__(self, context: SpawnContext, ends: ExitStack, arguments: tuple[Any, ...]) -> None:
        self.connection, its = context.Pipe()
        ends.callback(self.connection.close)
        self._process = context.Process(target=work, args=(its, *arguments), name="statscache-job")
        with _undisturbed(), its:
            self._process.start()
        ends.callback(self._end)

    def hear(self) -> Any:
        """Return what it says.

        :raises StatscacheError: if it failed or has ended
        """
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(said, JobFailed):
            raise StatscacheError(said.why)
        return said

    def join(self) -> None:
        """Let it end, which it is about to do."""
        self._process.join(PATIENCE)

    def _end(self) -> None:
        self._process.kill()
        self._process.join()

    def _ended(self) -> StatscacheError:
        self._process.join(PATIENCE)
        code = self._process.exitcode
        if code == HUNG:
            return Hung(
                "a plugin hung and is suspended, the log says where: run this again to go on without it"
            )
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        return StatscacheError(
            f"one of the processes of --jobs {how}: run this again, which goes on from here"
        )


def _let_database_stop(embedded: str | None) -> None:
    """Let an embedded database stop with this process: those that have ended may not have said that they do."""
    if embedded is not None:
        from statscache.database.embedded import forget_the_dead  # only here: it is an extra

        forget_the_dead(embedded)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let processes that are started take no Ctrl-C, which a terminal sends to all: this one ends them."""
    resource_tracker.ensure_running()  # which lets signals in again as it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
