"""Covering the time in which no daemon ran, or none was connected, of a bus that has kept everything meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import Engine

from statscache.bus.interface import Kept
from statscache.bus.watermark import Watermark
from statscache.store.absence import AbsenceFile
from statscache.store.buses import Buses
from statscache.store.continuity import Continuity

log = logging.getLogger(__name__)


class Away:
    """Leaves behind up to when everything was heard and committed, and goes on from what the last daemon has left.

    :param kept: what the bus says of what it keeps; None where it keeps nothing
    :param plugins: what is counted with
    """

    def __init__(
        self,
        file: AbsenceFile,
        kept: Kept | None,
        buses: Buses,
        continuity: Continuity,
        watermark: Watermark,
        plugins: Collection[str],
    ) -> None:
        self._file = file
        self._kept = kept
        self._buses = buses
        self._continuity = continuity
        self._watermark = watermark
        self._plugins = frozenset(plugins)

    def resume(self, engine: Engine) -> None:
        """Have the bus go on from where the last daemon was, if it counted with all these plugins.

        Its last commit that anything was acknowledged for must be there, and nobody else may have consumed since.
        """
        left = self._file.read()
        if left is None or self._kept is None or not self._plugins.issubset(left.plugins):
            return
        if self._buses.have_last(engine, left.spool, left.written):
            self._kept.resume(left.since, left.keys)
        else:
            log.warning(
                "the time since the last stop is not covered: the database lacks what was acknowledged, or another "
                "daemon has consumed the same queues"
            )

    def note(self) -> None:
        """Note what is committed. To be called before it is acknowledged."""
        if self._kept is not None:
            self._watermark.tell_reach(self._leave)

    def settle(self) -> None:
        """Have what is noted outlast a crash of the machine. To be called at the end."""
        self._file.settle()

    def _leave(self, since: int | None) -> None:
        written, keys = self._continuity.written, self._kept.keys if self._kept else {}
        if since is None or written is None or not keys:
            self._file.void()
        else:
            self._file.write(since, self._continuity.spool, written, self._plugins, keys)
