"""What is handed to a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from statscache.app import App


@dataclass(frozen=True)
class Workplace:
    """What a task finds in the process that does it.

    :param app: of that process alone
    :param turn: to be had while something is written: only one of the processes has it, so that never more than one
        of them waits in front of a daemon's flush
    :param tell: sends something to the process that has the task done; it must be such as can be pickled
    """

    app: App
    turn: AbstractContextManager[Any]
    tell: Callable[[Any], None]


class Task(Protocol):
    """Work that a process can do without the others. It must be such as can be pickled."""

    def run(self, workplace: Workplace) -> None:
        """Do it.

        :raises StatscacheError: if it cannot be done
        """
        ...
