"""Says when nobody is told of changes any more."""

from __future__ import annotations

from sqlalchemy import Engine

from statscache.counting.notifications import look_at_queue


class WatchNotifications:
    """Looks whether PostgreSQL's queue of notifications fills up, past which flushes leave them out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self) -> bool:
        """Look, and log it."""
        look_at_queue(self._engine)
        return False
