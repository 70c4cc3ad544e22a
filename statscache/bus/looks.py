"""Looks at sockets that may have nothing to read, about every second."""

from __future__ import annotations

from statscache.process.clocks import Reading

#: So many seconds after a look that found nothing to read, all that had arrived by then has shown up.
APART = 1.0
#: A look that comes so many seconds after the last one, or later, may be the first thing that a process does which was
#: frozen, before ZeroMQ has read on: what had arrived before it may not have shown up, and it shows nothing. A process
#: that is frozen for less can hide that; so what is said of an instant is sure of what had arrived so many seconds
#: before it.
PAUSE = 2.0
#: After so many seconds without a look messages may be missing: of a connection that meanwhile died nothing is heard
#: for another 90 seconds, and publishers keep little for those who do not read.
FROZEN = 60.0


class Looks:
    """Two looks in a row that find nothing show that what had arrived at the first has been taken by the second."""

    def __init__(self) -> None:
        #: When it was last looked, on the monotonic clock; None for never.
        self.last: float | None = None
        self._empty_since: Reading | None = None
        self._is_late = False

    def forget(self) -> None:
        """Begin anew, as with a first look."""
        self._empty_since = None

    def pause(self, now: Reading) -> float:
        """Note that it is looked now, and return how many seconds it was not."""
        pause = 0.0 if self.last is None else now.monotonic - self.last
        self.last = now.monotonic
        self._is_late = pause >= PAUSE
        return pause

    def note(self, empty: bool, now: Reading) -> Reading | None:
        """Note what a look has found, and return when all had arrived that is taken now; None if that is not known."""
        since = self._empty_since
        if not empty or self._is_late:
            self._empty_since = None
        elif since is None:
            self._empty_since = now
        elif now.monotonic - since.monotonic >= APART:
            self._empty_since = now
            return since
        return None
