"""Deletes the rows that adopted spools leave behind once they are written."""

from __future__ import annotations

from sqlalchemy import Engine

from statscache.intake.backlog import Backlog
from statscache.store.positions import forget_spools


class ForgetSpools:
    """Deletes the rows of spools that are no more."""

    def __init__(self, engine: Engine, backlog: Backlog) -> None:
        self._engine = engine
        self._finished = backlog.finished

    def run(self) -> bool:
        """Delete them."""
        if self._finished:
            forget_spools(self._engine, self._finished)
            self._finished.clear()
        return False
