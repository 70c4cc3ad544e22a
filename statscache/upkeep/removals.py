"""Notes what people have removed from the tables of plugins, where no trigger did."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from statscache.hosting.loader import Part
from statscache.schema.watching import watch


class NoteRemovals:
    """Notes tables that are gone or are others than they were, and sees to the triggers of new partitions."""

    def __init__(self, engine: Engine, parts: Collection[Part]) -> None:
        self._engine = engine
        self._parts = parts
        self._failures: Collection[str] = ()

    def run(self) -> bool:
        """Look at all tables."""
        self._failures = watch(self._engine, self._parts, self._failures)
        return False
