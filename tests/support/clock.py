"""Clocks that are passed in, and moved by hand."""

from __future__ import annotations

from statscache.process.clocks import Clocks

NOON = 1_700_000_000.0


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON + 0.25

    def __call__(self) -> float:
        return self.now


class Machine(Clock):
    """A machine and the true time, with what its clocks make of that."""

    def __init__(self) -> None:
        super().__init__()
        #: By how many seconds this machine's clock and the database's are ahead of the true time.
        self.ahead = self.database_ahead = 0.0
        #: For how many seconds the machine was suspended.
        self.suspended = 0.0
        self.clocks = Clocks(self.wall, self.monotonic)

    def wall(self) -> float:
        """Return what the machine takes for the time."""
        return self.now + self.ahead

    def monotonic(self) -> float:
        """Return for how many seconds the machine has run."""
        return self.now - NOON - self.suspended

    def ask_database(self) -> None:
        """Have the database's clock noted."""
        self.clocks.note_database(self.now + self.database_ahead, self.monotonic(), self.monotonic())

    def suspend(self, seconds: float) -> None:
        """Let time pass without the machine."""
        self.now += seconds
        self.suspended += seconds
