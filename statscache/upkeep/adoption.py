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
from statscache.store.continuity import DOUBT
from statscache.store.positions import Position, positions

log = logging.getLogger(__name__)


class AdoptSpools:
    """Hands spools that nobody holds to the backlog, each from where the database has it.

    One of which all is committed stays for the tail, as the database can lose that again, and is removed after it.

    :param directory: of the spools that belong to this database
    """

    def __init__(self, app: App, directory: Path, backlog: Backlog) -> None:
        self._engine: Engine = app.engine
        self._keep: timedelta = app.settings.ledger_keep
        self._tail = app.settings.spool_tail
        self._plugins = app.plugins
        self._suspensions = app.suspensions
        self._pseudonyms = app.pseudonyms
        self._directory = directory
        self._backlog = backlog

    def run(self) -> bool:
        """Look at all that there are."""
        spools = list(adopt_spools(self._directory, self._tail))
        try:
            found = positions(self._engine, [spool.id for spool in spools]) if spools else {}
            while spools:
                self._try(spools[0], found.get(spools[0].id))
                spools.pop(0)
        except BaseException:
            for spool in spools:
                spool.close()  # to be looked at another time
            raise
        return False

    def _try(self, spool: Spool, position: Position | None) -> None:
        """See to one spool; what cannot be read of it keeps no other waiting."""
        try:
            self._see_to(spool, position)
        except OSError as error:
            log.error("the spool %s cannot be adopted: %s", spool.id, error)
            spool.close()  # to be looked at another time

    def _see_to(self, spool: Spool, position: Position | None) -> None:
        self._blame(spool)
        committed = position.position if position else 0
        if committed < spool.end or spool.loss:
            since = position.updated - DOUBT if position else spool.made
            old = spool.modified < horizon(self._keep)
            # Without a row nobody knows whether what lay before its beginning is missing.
            self._backlog.adopt(spool, committed if position else spool.start, since, old)
        elif position and position.age < self._tail and spool.start < spool.end and self._may_stay(spool):
            spool.close()
        else:
            spool.remove()
            self._backlog.finished.append(spool.id)

    def _may_stay(self, spool: Spool) -> bool:
        """Return whether nobody who is named in a spool is forgotten since."""
        return spool.is_free_of_names(self._pseudonyms.number)

    def _blame(self, spool: Spool) -> None:
        """Suspend the plugins that made the spool's daemon end itself."""
        stacks = _read(spool.stacks)
        if not stacks:
            return
        log.critical("the daemon of the spool %s ended itself because a plugin hung:\n%s", spool.id, stacks)
        for plugin in suspects(stacks, self._plugins):
            self._suspensions.suspend(plugin, "it hung, see the log for where", hung=True)
        spool.stacks.unlink(missing_ok=True)  # it is blamed once, however long the spool stays


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
