"""When the messages came that a spool held and that cannot be read any more."""

from __future__ import annotations

import time

from statscache.bus.watermark import AHEAD
from statscache.spool.loss import Loss
from statscache.spool.segment import Damage


class Losses:
    """What is lost of a spool between two positions, by the times of the messages around it.

    :param since: all of it came after this time, in seconds since 1970
    :param lateness: how many seconds old a message may be when it comes
    """

    def __init__(self, since: float, lateness: int) -> None:
        self._newest = since
        self._lateness = lateness
        self._found: list[Damage] = []
        self._times: list[tuple[float, float | None]] = []

    def add(self, damage: Damage) -> None:
        """Add what cannot be read."""
        self._found.append(damage)
        self._times.append((self._newest, None))

    def before(self, second: int) -> None:
        """Note that a message of that second lies behind all that was added."""
        self._newest = max(self._newest, second)
        if self._times and self._times[-1][1] is None:
            self._times = [(first, second if last is None else last) for first, last in self._times]

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def start(self) -> int:
        """The position at which the first begins."""
        return self._found[0].start

    @property
    def end(self) -> int:
        """The position at which the last ends."""
        return self._found[-1].end

    @property
    def all(self) -> list[Loss]:
        """Each, with the times between which its messages must lie. Of how many there were at least one is known."""
        pairs = zip(self._found, self._times, strict=True)
        return [self._loss(damage, first, last) for damage, (first, last) in pairs]

    def _loss(self, damage: Damage, first: float, last: float | None) -> Loss:
        now = time.time()
        first = min(first, now if last is None else last)
        end = now if last is None else min(last + self._lateness, now + AHEAD)
        return Loss(1, max(min(first, end) - self._lateness, 0.0), end, 0, damage.reason)
