"""What plugins lack, and filling it from an archive."""

from __future__ import annotations

import math
from collections.abc import Collection

from sqlalchemy import Engine

from statscache.bus.watermark import Watermark
from statscache.history.filler import Filler
from statscache.history.plan import Piece, to_fetch
from statscache.hosting.suspensions import Suspensions


class Gaps:
    """Finds what is missing and old enough to be in an archive.

    Time since the present connection to the bus is not missing: it is still being heard. Nor is time since we stand by
    for another daemon, which hears it.

    :param lateness: how many seconds old a message may be when it comes
    """

    def __init__(
        self,
        engine: Engine,
        plugins: Collection[str],
        suspensions: Suspensions,
        watermark: Watermark,
        lateness: float,
    ) -> None:
        self._engine = engine
        self._plugins = plugins
        self._suspensions = suspensions
        self._watermark = watermark
        self._lateness = lateness

    def until(self) -> int:
        """Return the second before which what is not covered is missing, whichever clock is right."""
        stop = math.floor(self._watermark.clocks.read().earliest - self._lateness)
        start = self._watermark.start
        heard = list(self._watermark.standby.values()) if start is None else [start]
        return min([stop, *heard])

    def pieces(self) -> list[Piece]:
        """Return what the plugins lack that are not suspended, newest first."""
        plugins = [plugin for plugin in self._plugins if not self._suspensions.holds(plugin)]
        with self._engine.connect() as connection:
            return to_fetch(connection, plugins, None, self.until())[1]


class FillGaps:
    """Counts what the filler's thread has fetched."""

    def __init__(self, filler: Filler) -> None:
        self._filler = filler

    def run(self) -> bool:
        """Count a slice, and return whether there was one."""
        return self._filler.count_one()
