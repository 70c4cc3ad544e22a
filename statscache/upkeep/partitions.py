"""Makes partitions ahead of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from sqlalchemy import Engine

from statscache.hosting.loader import Part
from statscache.schema.partitioning import make_partitions, partitioned

log = logging.getLogger(__name__)

#: How many seconds lie between two looks. History comes in slices, whose rows move once a partition is made for them.
PACE_S = 10.0
#: And so many after one that could not be made, which can have kept others waiting.
AFTER_FAILURE_S = 900.0


class MakePartitions:
    """Sees to it that rows find a partition of their time.

    :param keep: as `statscache.keep` has it
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self,
        engine: Engine,
        parts: Collection[Part],
        keep: Mapping[str, timedelta],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._parts = parts
        self._wanted = partitioned(parts, keep)
        self._clock = clock
        self._due = float("-inf")
        self._failures: Collection[str] = ()

    def run(self) -> bool:
        """Look for what is missing, and make it."""
        if not self._wanted or self._clock() < self._due:
            return False
        failures = make_partitions(self._engine, self._parts, self._wanted)
        self._due = self._clock() + (AFTER_FAILURE_S if failures else PACE_S)
        for failure in failures:
            if failure not in self._failures:
                log.warning("%s", failure)
        self._failures = failures
        return False
