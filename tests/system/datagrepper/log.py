"""What was asked of the archive."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.system.datagrepper.faults import Fault


@dataclass
class Entry:
    """A request.

    :param number: counted from 1
    :param given: the parameters of its URL
    :param done: whether all was written that was to be
    """

    number: int
    given: dict[str, str]
    fault: Fault | None = None
    done: bool = False


class Log:
    """The requests so far. Threads share it."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def open(self, given: Mapping[str, str]) -> Entry:
        """Note a request that has come."""
        with self._lock:
            self._entries.append(Entry(len(self._entries) + 1, dict(given)))
            return self._entries[-1]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """All of them, in the order in which they came."""
        with self._lock:
            return [asdict(entry) for entry in self._entries]
