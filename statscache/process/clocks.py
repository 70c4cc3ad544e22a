"""The clocks of a daemon: one that only ever goes on, and two that tell the time, each of which can be set or wrong.

What lasts so long is measured by the monotonic clock. What is said of bus time holds if either of the two clocks that
tell it is right, this machine's or the database's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

#: A clock that is so many seconds from where it should be was set, or the machine was suspended. Slewing, as NTP does
#: it, is no such thing: it moves the monotonic clock, too.
JUMP_S = 0.5
#: The same for the database's clock, which is known less exactly.
DATABASE_JUMP_S = 0.75
#: An answer of the database that took longer than so many seconds says too little of its clock, but that it was set.
SLOW_S = 0.5
#: The clocks are read again if there was so much time between them, so many times at most.
BETWEEN_S, TRIES = 0.05, 10


@dataclass(frozen=True)
class Reading:
    """What the clocks show at one instant.

    :param monotonic: seconds since some instant
    :param wall: this machine's clock, in seconds since 1970
    :param database: the database's clock, as far as it is known, in seconds since 1970
    :param database_jumps: how often it was found to have been set
    """

    monotonic: float
    wall: float
    database: float
    database_jumps: int

    @property
    def earliest(self) -> float:
        """The time by that clock which is behind the other, in seconds since 1970."""
        return min(self.wall, self.database)

    @property
    def latest(self) -> float:
        """The time by that clock which is ahead of the other, in seconds since 1970."""
        return max(self.wall, self.database)

    def jump_since(self, before: Reading) -> str:
        """Return which clock was set since an earlier reading, in words; empty for none."""
        jump = self.wall - before.wall - (self.monotonic - before.monotonic)
        if abs(jump) > JUMP_S:
            way = "forward" if jump > 0 else "back"
            return f"this machine's clock was set {way} by {abs(jump):.1f} s, or the machine was suspended"
        if self.database_jumps != before.database_jumps:
            return f"the database's clock was set, and differs from this machine's by {self.apart:+.1f} s"
        return ""

    @property
    def apart(self) -> float:
        """By how many seconds the database's clock is ahead of this machine's."""
        return self.database - self.wall


class Clocks:
    """Reads the clocks. One thread notes what the database's shows, any thread reads.

    :param wall: gives seconds since 1970
    :param monotonic: gives seconds, and never goes back
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self.monotonic = monotonic
        # By how much the database's clock is ahead of the monotonic one, and how often it was set.
        self._database: tuple[float, int] | None = None
        self._set_at = -math.inf

    def read(self) -> Reading:
        """Read them. While nothing is known of the database's clock, it is taken to be right with this machine's."""
        for _ in range(TRIES):
            monotonic, wall = self.monotonic(), self._wall()
            if self.monotonic() - monotonic < BETWEEN_S:
                break
        ahead, jumps = self._database or (wall - monotonic, 0)
        return Reading(monotonic, wall, monotonic + ahead, jumps)

    def note_database(self, instant: float, asked: float, answered: float) -> None:
        """Note what the database's clock showed.

        :param instant: in seconds since 1970
        :param asked: when it was asked, on the monotonic clock
        :param answered: when it had answered
        """
        now, unsure = self.read(), (answered - asked) / 2
        ahead, known = instant - (asked + answered) / 2, now.database - now.monotonic
        jumped = abs(ahead - known) > DATABASE_JUMP_S + max(unsure - SLOW_S / 2, 0.0)
        if jumped or answered - asked <= SLOW_S:
            self._database = (ahead, now.database_jumps + jumped)
        if jumped:
            self._set_at = answered

    @property
    def steady_for(self) -> float:
        """For how many seconds the database's clock is known not to have been set."""
        return self.monotonic() - self._set_at
