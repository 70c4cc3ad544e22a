"""Clears the daemon's own spool of the names of people who are forgotten."""

from __future__ import annotations

from statscache.app import App
from statscache.spool.spool import Spool


class ClearSpool:
    """Looks whether somebody was forgotten, and then lets nothing stay in the spool that was written before."""

    def __init__(self, app: App, spool: Spool) -> None:
        self._app = app
        self._spool = spool

    def run(self) -> bool:
        """Look, and begin."""
        with self._app.engine.connect() as connection:
            self._app.names.look(connection)
        self._spool.forget(self._app.pseudonyms.number)
        return False
