"""Taking over the spools of daemons that are dead."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from statscache.app import App
from statscache.counting.overlap import horizon
from statscache.hosting.watchdog import suspects
from statscache.intake.backlog import Backlog
from statscache.spool.directory import adopt_spools
from statscache.spool.spool import Spool
from statscache.store.positions import position_of

log = logging.getLogger(__name__)


class AdoptSpools:
    """Hands spools that nobody holds to the backlog, each from where the database has it.

    :param directory: of the spools that belong to this database
    """

    def __init__(self, app: App, directory: Path, backlog: Backlog) -> None:
        self._engine: Engine = app.engine
        self._keep: timedelta = app.settings.ledger_keep
        self._plugins = app.plugins
        self._suspensions = app.suspensions
        self._directory = directory
        self._backlog = backlog

    def run(self) -> bool:
        """Adopt all that there are."""
        for spool in adopt_spools(self._directory):
            try:
                position = position_of(self._engine, spool.id)
                self._blame(spool)
            except BaseException:
                spool.close()  # to be adopted another time
                raise
            old = spool.modified < horizon(self._keep)
            self._backlog.adopt(spool, position, old)
        return False

    def _blame(self, spool: Spool) -> None:
        """Suspend the plugins that made the spool's daemon end itself."""
        stacks = _read(spool.stacks)
        if not stacks:
            return
        log.critical("the daemon of the spool %s ended itself because a plugin hung:\n%s", spool.id, stacks)
        for plugin in suspects(stacks, self._plugins):
            self._suspensions.suspend(plugin, "it hung, see the log for where", hung=True)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
