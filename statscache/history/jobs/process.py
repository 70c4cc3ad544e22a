"""A process that does tasks. What is here runs in that process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy.exc import DBAPIError

from statscache.app import Seen, open_beside
from statscache.configuration import fedmsg_config
from statscache.database.trouble import first_line
from statscache.errors import StatscacheError
from statscache.history.jobs.task import Task, Workplace
from statscache.process.log_lines import write_log_lines

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobTold:
    """What a task has told."""

    what: Any


@dataclass(frozen=True)
class JobIdle:
    """The process wants a task, or None to end."""


@dataclass(frozen=True)
class JobFailed:
    """The process ends since it cannot go on.

    :param why: in a sentence
    """

    why: str


def work(parent: Connection, turn: AbstractContextManager[Any], seen: Seen, verbose: bool) -> None:
    """Do tasks until there are no more. The body of the process.

    :param parent: gives tasks and takes what they tell
    :param seen: what the process that has them done has found in the database
    """
    _end_with_parent()
    write_log_lines(verbose)
    try:
        _work(parent, turn, seen)
    except BaseException as error:  # the process's edge: the one that started it says why
        log.info("a process ends", exc_info=error)
        with suppress(OSError):  # that one has ended itself
            parent.send(JobFailed(_sentence(error)))


def _work(parent: Connection, turn: AbstractContextManager[Any], seen: Seen) -> None:
    app = open_beside(fedmsg_config(), seen)
    app.watchdog().start()
    workplace = Workplace(app, turn, lambda what: parent.send(JobTold(what)))
    parent.send(JobIdle())
    while (task := _received(parent)) is not None:
        task.run(workplace)
        parent.send(JobIdle())
    app.engine.dispose()


def _received(parent: Connection) -> Task | None:
    task: Task | None = parent.recv()
    return task


def _end_with_parent() -> None:
    """End this process at once with the one that started it, whatever ends that; what is not committed is undone."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="statscache-parent", daemon=True).start()


def _sentence(error: BaseException) -> str:
    """Return what to say of an error that ends a process."""
    if isinstance(error, StatscacheError):
        return str(error)
    if isinstance(error, DBAPIError):
        return f"the database says: {first_line(error)}"
    return f"{type(error).__name__}: {first_line(error)}"
