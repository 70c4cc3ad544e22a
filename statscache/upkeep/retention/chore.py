"""Drops old rows as `statscache.keep` and the plugins say, while the daemon runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from sqlalchemy import Engine

from statscache.hosting.loader import Part
from statscache.process.clocks import Clocks
from statscache.upkeep.ledger_pruning import is_steady, prune_for_a_while
from statscache.upkeep.retention.drop import drop_some
from statscache.upkeep.retention.tables import Retained, retained, unread

log = logging.getLogger(__name__)

#: How long at most, in seconds, nobody looks once all is dropped that may be; and as a share of the shortest time that
#: rows are kept.
PACE, SHARE = 300.0, 0.1


class DropOldRows:
    """Drops some in each round, not after the database's clock was set.

    :param keep: as `statscache.keep` has it
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self,
        engine: Engine,
        parts: Iterable[Part],
        keep: Mapping[str, timedelta],
        clocks: Clocks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = list(parts)
        for name in unread(parts, keep):
            log.warning(
                "statscache.keep names %r, which is no plugin that runs and no length of windows", name
            )
        self._engine = engine
        self._tables = retained(parts, keep)
        self._clocks = clocks
        self._clock = clock
        self._left: list[Retained] = []
        self._due = float("-inf")

    def run(self) -> bool:
        """Drop for a while, and return whether there may be more."""
        if not self._left and (not self._tables or self._clock() < self._due):
            return False
        if not is_steady(self._engine, self._clocks):
            return False
        self._left = self._left or self._tables[::-1]
        if prune_for_a_while(self._drop_some):
            return True
        self._due = self._clock() + min(
            PACE, SHARE * min(its.wish.keep.total_seconds() for its in self._tables)
        )
        return False

    def _drop_some(self) -> bool:
        """Drop some of the next table, taking tables off that have no more, and return whether there may be more."""
        while self._left:
            if dropped := drop_some(self._engine, self._left[-1]):
                log.info("%s: %d rows of %s are not kept any more", dropped.table, dropped.rows, dropped.span)
                return True
            self._left.pop()
        return False
