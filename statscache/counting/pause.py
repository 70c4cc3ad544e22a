"""How long to leave alone what has failed."""

from __future__ import annotations

from collections.abc import Callable

from statscache.component import Backoff

#: In seconds: the first pause before what has failed is tried again, and the longest.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Pause:
    """Leaves alone what has failed, ever longer, until it works again.

    :param clock: gives seconds, and never goes back
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._backoff = Backoff(SHORTEST_PAUSE, LONGEST_PAUSE)
        self._failures = 0
        self._until = 0.0

    @property
    def over(self) -> bool:
        """Whether it is time to try."""
        return self._clock() >= self._until

    def lengthen(self) -> float:
        """Begin a pause after a failure and return its length in seconds."""
        self._failures += 1
        length = self._backoff.pause(self._failures)
        self._until = self._clock() + length
        return length

    def end(self) -> None:
        """Forget the failures."""
        self._failures, self._until = 0, 0.0
