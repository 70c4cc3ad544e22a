"""Prunes the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from statscache.database.engine import probe
from statscache.process.clocks import Clocks
from statscache.store import ledger

#: How long in seconds the ledger is pruned at a stretch, while flushes wait.
STRETCH_S = 2.0
#: It is not pruned for so many seconds after the database's clock was set.
STEADY_S = 3600.0


def is_steady(engine: Engine, clocks: Clocks) -> bool:
    """Return whether the database's clock was not set lately, so that what looks old is old."""
    probe(engine, clocks)
    return clocks.steady_for >= STEADY_S


def prune_for_a_while(prune: Callable[[], bool]) -> bool:
    """Prune again and again until nothing is left, or for `STRETCH_S`, and return whether there may be more.

    :param prune: prunes some at a time, and returns whether there may be more
    """
    deadline = time.monotonic() + STRETCH_S
    while prune():
        if time.monotonic() >= deadline:
            return True
    return False


class PruneLedger:
    """Forgets messages that were counted longer ago than the ledger is kept.

    Not after the database's clock was set: if it was set forward by mistake, they are not so old.
    """

    def __init__(self, engine: Engine, keep: timedelta, clocks: Clocks) -> None:
        self._engine = engine
        self._keep = keep
        self._clocks = clocks

    def run(self) -> bool:
        """Prune for a while, and return whether there may be more."""
        if not is_steady(self._engine, self._clocks):
            return False
        return prune_for_a_while(lambda: ledger.prune(self._engine, self._keep) == ledger.PRUNED)
