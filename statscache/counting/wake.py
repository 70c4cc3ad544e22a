"""What wakes the flush's thread before its time."""

from __future__ import annotations

from statscache.process.steady_event import SteadyEvent


class Wake:
    """Lets any thread wake that of the flush, which alone waits here."""

    def __init__(self) -> None:
        self._event = SteadyEvent()
        #: Whether to flush now rather than at the end of the interval.
        self.hurried = False

    def hurry(self) -> None:
        """Have it flush now."""
        self.hurried = True
        self._event.set()

    def nudge(self) -> None:
        """Have it use the time until the next flush: there is something to be done in it."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait until it is woken, for so many seconds at most."""
        self._event.wait(seconds)
        self._event.clear()
