"""Whether something works, and if not, since when and why."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Length = TypeVar("Length", float, timedelta)


@dataclass(frozen=True)
class Backoff(Generic[Length]):
    """How long to leave alone what fails: at first the shortest pause, then twice as long each time, up to a bound.

    :param shortest: in seconds, or as a timedelta
    """

    shortest: Length
    longest: Length

    def pause(self, failures: int) -> Length:
        """Return the pause after so many failures in a row, of which there is at least one."""
        return min(self.shortest * (1 << min(failures - 1, 30)), self.longest)


@dataclass(frozen=True)
class Outage:
    """Something that does not work.

    :param since: since when, on the clock of the component
    :param why: what it last failed with, in one line
    """

    since: float
    why: str


@dataclass(frozen=True)
class Work:
    """What a thread is doing, and since when on its clock."""

    what: str
    since: float


class ComponentState:
    """The state of one component. One thread reports it, any thread reads it.

    :param clock: gives seconds, and never goes back
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        #: What is wrong; None if nothing is.
        self.outage: Outage | None = None
        #: How often it has failed since the start.
        self.failures = 0

    def succeed(self) -> bool:
        """Note that it works, and return whether it did not before."""
        before, self.outage = self.outage, None
        return before is not None

    def fail(self, why: str) -> None:
        """Note that it has failed."""
        self.failures += 1
        since = self.outage.since if self.outage else self.clock()
        self.outage = Outage(since, why)


class WatchedState(ComponentState):
    """The same of a component whose troubles and recoveries are logged, each once.

    :param name: what to call it
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._name = name

    def succeed(self) -> bool:
        """Note that it works, and return whether it did not before."""
        if outage := self.outage:
            log.warning("%s is back, after %.0f s", self._name, self.clock() - outage.since)
        return super().succeed()

    def fail(self, why: str) -> None:
        """Note that it has failed."""
        if self.outage is None:
            log.error("%s is away, and looked for until it is back: %s", self._name, why)
        super().fail(why)
