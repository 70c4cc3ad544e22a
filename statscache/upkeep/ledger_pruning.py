"""Prunes the ledger."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import Engine

from statscache.store import ledger

#: How long in seconds the ledger is pruned at a stretch, while flushes wait.
STRETCH_S = 2.0


class PruneLedger:
    """Forgets messages that were counted longer ago than the ledger is kept."""

    def __init__(self, engine: Engine, keep: timedelta) -> None:
        self._engine = engine
        self._keep = keep

    def run(self) -> bool:
        """Prune for a while, and return whether there may be more."""
        deadline = time.monotonic() + STRETCH_S
        while ledger.prune(self._engine, self._keep) == ledger.PRUNED:
            if time.monotonic() >= deadline:
                return True
        return False
