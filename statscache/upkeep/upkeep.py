"""When chores are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from statscache.upkeep.chore import Chore


class Upkeep:
    """Does the chores. For the flush's thread alone.

    :param regular: those that are done every few seconds, one after the other
    :param spare: those that are done in the time between two flushes, a part at a time
    """

    def __init__(self, regular: Sequence[Chore] = (), spare: Sequence[Chore] = ()) -> None:
        self._regular = regular
        self._spare = deque(spare)

    def keep_up(self) -> None:
        """Do the regular chores.

        :raises Exception: whatever the first that fails has met; those after it wait for the next time
        """
        for chore in self._regular:
            chore.run()

    def use_spare_time(self) -> bool:
        """Do a part of one of the others, and return whether there was any."""
        self._spare.rotate()  # so that one that always has more to do, or always fails, keeps no other waiting
        return any(chore.run() for chore in self._spare)
