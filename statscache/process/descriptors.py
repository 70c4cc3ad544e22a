"""File descriptors kept in reserve for what the daemon cannot do without: its spool, its database, its health."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: So many descriptors are kept in reserve, where the process may have enough of them: an eighth of all at most.
RESERVED = 32
SHARE = 8
#: So many of the reserve are given up for one opening: a file takes one, a connection a few while it is made.
AT_ONCE = 4


class DescriptorReserve:
    """Holds descriptors, and gives them up for an opening that finds none left. Any thread may call it.

    It holds none until it is first filled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[int] = []
        self._size = 0

    def fill(self) -> None:
        """Begin to keep descriptors in reserve."""
        self._size = min(RESERVED, limit() // SHARE)
        self._refill()

    def empty(self) -> None:
        """Keep none any more."""
        self._size = 0
        self._give_up(len(self._held))

    @property
    def missing(self) -> int:
        """How many descriptors of the reserve are in use and could not be had again."""
        self._refill()
        return self._size - len(self._held)

    def opening(self, call: Callable[[], T]) -> T:
        """Return what a function returns that opens something; where no descriptor is left, it gets some of these.

        :raises Exception: what the function raises
        """
        try:
            return call()
        except Exception:
            if not self._held or not is_exhausted():
                raise
        self._give_up(AT_ONCE)
        try:
            return call()
        finally:
            self._refill()

    def open(self, path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
        """Open a file as `os.open` does, with a descriptor of the reserve if there is no other.

        :raises OSError: if that fails
        """
        return self.opening(lambda: os.open(path, flags, mode))

    def _give_up(self, count: int) -> None:
        with self._lock:
            for _ in range(min(count, len(self._held))):
                os.close(self._held.pop())

    def _refill(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            while len(self._held) < self._size:
                self._held.append(os.open(os.devnull, os.O_RDONLY))


def is_exhausted() -> bool:
    """Return whether the process can open nothing more."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
    return False


def limit() -> int:
    """Return how many descriptors the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def used() -> int:
    """Return how many descriptors the process has."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # listing takes one itself
    except OSError:
        return limit()


#: The reserve of this process.
RESERVE = DescriptorReserve()


def is_on_path(fd: int, path: Path) -> bool:
    """Return whether an open file is the one on a path.

    :raises OSError: if that cannot be told
    """
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except (FileNotFoundError, NotADirectoryError):
        return False
