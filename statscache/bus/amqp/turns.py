"""Whose turn it is, of queues that give one of their consumers everything until it goes.

The broker does not say so. But a marker that was in the queue, is there no more, and did not come to us, has gone to
another consumer; and anything at all that comes shows that it is our turn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

#: So many markers in a row that are in a queue and do not come, at one a second, show that it is not our turn.
MANY = 5
#: How long in seconds, at least, we keep some of our queues while another consumer has the others; then twice as long
#: each time, up to the last.
PATIENCE_S, LAST_S = 10.0, 600.0


class Turns:
    """Keeps account of that for each queue. For the reactor's thread alone."""

    def __init__(self) -> None:
        # How many markers have got into each queue since anything came from it.
        self._silent: dict[str, int] = {}
        self._ours: set[str] = set()
        self._patience = PATIENCE_S
        self._until: float | None = None
        #: The queues that another consumer gets everything of, for which we stand by.
        self.standby: set[str] = set()

    def begin(self, queues: Iterable[str]) -> None:
        """Note that we consume anew.

        :param queues: those which give one consumer everything
        """
        self._silent = dict.fromkeys(queues, 0)
        self._until = None
        self._ours.clear()
        self.standby.clear()

    def waits(self, queue: str) -> bool:
        """Return whether nothing has come yet that shows it to be our turn."""
        return queue in self._silent and queue not in self._ours

    def came(self, queue: str) -> bool:
        """Note that something has come from a queue, and return whether our turn begins with it."""
        if queue not in self._silent:
            return False
        self._silent[queue] = 0
        if queue in self._ours:
            return False
        self._ours.add(queue)
        return True

    def sent(self, queue: str) -> None:
        """Note that a marker has got into a queue."""
        if queue in self._silent:
            self._silent[queue] += 1

    def doubtful(self, idle: bool) -> dict[str, int]:
        """Return the queues of which it seems not to be our turn, and how many markers have not come from each.

        :param idle: whether all that has come is acknowledged; else there may be no room for more
        """
        return {
            queue: markers
            for queue, markers in self._silent.items()
            if markers >= MANY and queue not in self.standby and (idle or queue not in self._ours)
        }

    def stand_by(self, queue: str) -> None:
        """Note that another consumer gets everything of a queue."""
        self._ours.discard(queue)
        self.standby.add(queue)

    def give_way(self, now: float) -> bool:
        """Return whether to leave our queues to who has the others: of two who share them out neither claims any time.

        Both would do it at once if they did not wait for different times.

        :param now: on the monotonic clock
        """
        if not self.standby or len(self.standby) == len(self._silent):
            self._until = None
        elif self._until is None:
            self._until = now + self._patience * random.uniform(1.0, 2.0)
        elif now > self._until:
            self._patience = min(2 * self._patience, LAST_S)
            self._until = None
            return True
        return False
