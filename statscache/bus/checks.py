"""What was seen of a bus: what had arrived when, and lies where in the spool."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

#: So many checks at most are kept while commits lag behind.
KEPT = 64
#: So many checks at most are kept of what is committed: those of a quarter of an hour.
PASSED = 900


@dataclass(frozen=True)
class Check:
    """What had arrived at this instant, in seconds since 1970, lies before this position of the spool.

    Where clocks differ it is the earliest that it may have been.
    """

    instant: float
    position: int


class Checks:
    """Those of one span, in the order in which they were made."""

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._passed: deque[Check] = deque(maxlen=PASSED)

    def keep(self, check: Check) -> None:
        """Keep a check until a commit has come so far. If that takes long, some are left out, evenly."""
        checks = self._checks
        if checks and checks[-1].position == check.position:
            checks.pop()
        checks.append(check)
        if len(checks) > KEPT:
            inner = range(1, len(checks) - 1)
            del checks[min(inner, key=lambda i: checks[i + 1].instant - checks[i - 1].instant)]

    def last_before(self, position: int) -> Check | None:
        """Return the last check of what is committed up to a position; those before it have passed."""
        while len(self._checks) > 1 and self._checks[1].position <= position:
            self._passed.append(self._checks.pop(0))
        return self._checks[0] if self._checks and self._checks[0].position <= position else None

    def after(self, position: int) -> list[Check]:
        """Return those of what comes after a position, also if they have passed."""
        return [check for check in (*self._passed, *self._checks) if check.position >= position]

    def take(self, checks: Sequence[Check]) -> None:
        """Keep the last of these instead of all that there are."""
        self._checks = list(checks[-KEPT:])

    def clear(self) -> None:
        """Forget all."""
        self._checks = []
        self._passed.clear()
