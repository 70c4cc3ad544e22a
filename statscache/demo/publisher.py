"""What the demo needs of a bus: one who publishes on it, and a daemon that listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

#: Where the configuration lies in the demo's directory.
CONFIG = Path("fedmsg.d/demo.py")


@dataclass(frozen=True)
class Listener:
    """A daemon that listens to a bus.

    :param name: what it is called, for people
    :param log: the name of its log file
    :param program: a program for Python, and its arguments
    :param settings: what the configuration says of the bus
    """

    name: str
    log: str
    program: Sequence[str]
    settings: Mapping[str, Any]


class Publisher(Protocol):
    """Publishes messages to a daemon of the demo."""

    @property
    def starts(self) -> str:
        """What the demo starts besides PostgreSQL and the HTTP API, for people."""
        ...

    def start(self, check: Callable[[], object]) -> Listener:
        """Get ready for a daemon to listen, and return which.

        :param check: is called again and again while that takes its time, and raises if there is no reason to go on
        """
        ...

    def is_heard(self) -> bool:
        """Return, after a moment, whether the daemon listens: what is published before it does may be lost."""
        ...

    def send(self, message: Mapping[str, Any]) -> None:
        """Publish a message, given as a hub hands it to a consumer.

        :raises Unusable: if the bus is not there any more
        """
        ...

    def stop(self) -> None:
        """Publish nothing more, and leave no process, however far it has come."""
        ...
