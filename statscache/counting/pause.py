"""How long to leave alone what has failed."""

from __future__ import annotations

from collections.abc import Callable

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
