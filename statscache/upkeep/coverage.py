"""Covers time on a quiet bus, where no flush does it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from statscache.database.lock import counting
from statscache.intake.backlog import Backlog
from statscache.store.coverage import cover


class CoverHeard:
    """Covers the time that was heard and whose messages are all committed."""

    def __init__(self, engine: Engine, plugins: Collection[str], backlog: Backlog) -> None:
        self._engine = engine
        self._plugins = plugins
        self._backlog = backlog

    def run(self) -> bool:
        """Do it."""
        with counting(self._engine) as connection:
            cover(connection, self._plugins, self._backlog.heard)
        return False
