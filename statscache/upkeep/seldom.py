"""Does a chore less often than the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from statscache.upkeep.chore import Chore

#: So many seconds a chore is left alone that has found nothing more to do.
EVERY = 300.0


class Seldom:
    """Does a chore every few minutes, and at once again while there may be more to do, or after it has failed.

    :param clock: gives seconds, and never goes back
    """

    def __init__(self, chore: Chore, clock: Callable[[], float] = time.monotonic) -> None:
        self._chore = chore
        self._clock = clock
        self._done: float | None = None

    def run(self) -> bool:
        """Do it if it is time."""
        if self._done is not None and self._clock() - self._done < EVERY:
            return False
        more = self._chore.run()
        self._done = None if more else self._clock()
        return more
