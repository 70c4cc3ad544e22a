"""Forgets what is not known any more of what was verified."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine, exists, select

from statscache.database.lock import counting
from statscache.store.verification import VerificationRow, tidy

#: How many seconds lie between two times.
PACE = 60.0


class TidyVerifications:
    """Takes out of what was verified what is not complete any more: when it is again, it was counted anew.

    :param clock: gives seconds, and never goes back
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._due = float("-inf")

    def run(self) -> bool:
        """Do it, unless it was done a moment ago or nothing was ever verified."""
        if self._clock() < self._due:
            return False
        self._due = self._clock() + PACE
        with self._engine.connect() as connection:
            any_are = connection.scalar(select(exists(select(VerificationRow.id))))
        if any_are:
            with counting(self._engine) as connection:
                tidy(connection)
        return False
