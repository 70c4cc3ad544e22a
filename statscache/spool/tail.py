"""What is committed of a spool of late, which a database can lose again, as in a failover or a restore."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from statscache.spool.loss import Loss


class Tail:
    """The commits of the last so many seconds, and the losses that were recorded with them.

    :param length: in seconds
    """

    def __init__(self, length: float) -> None:
        self._length = length
        self._commits: deque[tuple[float, int]] = deque()
        #: When, up to which position all was committed before, and what.
        self._losses: deque[tuple[float, int, Loss]] = deque()

    def __bool__(self) -> bool:
        return self._length > 0

    def commit(self, now: float, position: int) -> int | None:
        """Add that all before a position is committed, and return up to which position it has been so for too long.

        :param now: an instant in seconds, of a clock that never goes back
        """
        self._commits.append((now, position))
        aged = None
        while self._commits and now - self._commits[0][0] >= self._length:
            aged = self._commits.popleft()[1]
        while self._losses and now - self._losses[0][0] >= self._length:
            self._losses.popleft()
        return aged

    def record(self, now: float, committed: int, loss: Loss) -> None:
        """Add that a loss is recorded.

        :param committed: the position up to which all was committed before
        """
        self._losses.append((now, committed, loss))

    def take_back(self, position: int) -> Iterator[Loss]:
        """Forget the commits, and yield the losses that may have been recorded with those behind a position."""
        self._commits.clear()
        while self._losses:
            _, committed, loss = self._losses.popleft()
            if committed >= position:
                yield loss
