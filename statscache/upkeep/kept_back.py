"""Counts the copies of bridges that were kept back for long enough."""

from __future__ import annotations

from sqlalchemy import Engine

from statscache.counting.keeping import Keeping
from statscache.counting.writer import Writer


class FindKept:
    """Finds out whether copies are to be kept back, and when the next one is to count, whichever daemon keeps it."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    def run(self) -> bool:
        """Do it."""
        self._keeping.look(self._engine)
        return False


class ReleaseKept:
    """Counts those copies whose time is over."""

    def __init__(self, engine: Engine, writer: Writer, keeping: Keeping) -> None:
        self._engine = engine
        self._writer = writer
        self._keeping = keeping

    def run(self) -> bool:
        """Count some, and return whether there were any."""
        if not self._keeping.is_due or not self._keeping.look(self._engine):
            return False
        self._writer.release()
        self._keeping.look(self._engine)
        return True
