"""What the daemon counts of its own work, for those who watch it. One thread writes, any thread reads."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from statscache.counting.transaction import Outcome

#: Upper bounds in seconds. A message's time is known to the whole second, so a delay can be one second too long.
FLUSH_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELAY_BOUNDS = (1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


class Distribution:
    """How often a value was how great.

    :param bounds: the upper bounds that are told apart, rising
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Note a value that came so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    def cumulated(self) -> list[tuple[str, int]]:
        """Return each bound and how many values were at most that, the last being +Inf."""
        total, found = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], list(self._counts), strict=True):
            total += count
            found.append((bound, total))
        return found


@dataclass
class PluginMeasures:
    """What one plugin has done since the start.

    :param processed: how many messages it has counted, or looked at and left, the transaction being committed
    :param failed: how often it has failed for a single message
    :param seconds: how long it took, its statements left out
    :param statements: how long its statements took, in seconds
    :param failed_at: when it last failed, on the monotonic clock; minus infinity for never
    :param error: what it last failed with
    """

    processed: int = 0
    failed: int = 0
    seconds: float = 0.0
    statements: float = 0.0
    failed_at: float = -math.inf
    error: str = ""


class Measures:
    """What flushes and plugins have done since the start."""

    def __init__(self, plugins: Iterable[str]) -> None:
        self.plugins = {plugin: PluginMeasures() for plugin in plugins}
        self.flush_seconds = Distribution(FLUSH_BOUNDS)
        self.delay = Distribution(DELAY_BOUNDS)
        #: How many rows flushes have written, those of statscache's own tables included.
        self.rows = 0
        #: When a flush last wrote something, in seconds since 1970; 0 for never.
        self.flushed_at = 0.0
        #: How old the oldest message of that flush was then, in seconds.
        self.last_delay = 0.0

    def committed(self, outcomes: Iterable[Outcome]) -> None:
        """Note what plugins have done in a transaction that is committed."""
        for outcome in outcomes:
            measures = self.plugins[outcome.plugin]
            measures.processed += outcome.processed
            if outcome.errors:
                measures.failed += len(outcome.errors)
                measures.failed_at, measures.error = time.monotonic(), outcome.errors[-1]

    def took(self, plugin: str, seconds: float, statements: float) -> None:
        """Note how long a plugin took, and how long its statements did, in seconds."""
        measures = self.plugins[plugin]
        measures.seconds += seconds
        measures.statements += statements

    def flushed(self, took: float, rows: int, seconds: Collection[int]) -> None:
        """Note a flush that is committed.

        :param took: how long it took, in seconds
        :param rows: how many rows it has written
        :param seconds: the second of bus time of each of its messages
        """
        now = time.time()
        self.flush_seconds.add(took)
        self.rows += rows
        self.flushed_at = now
        for second, times in Counter(seconds).items():
            self.delay.add(max(now - second, 0.0), times)
        if seconds:
            self.last_delay = max(now - min(seconds), 0.0)
