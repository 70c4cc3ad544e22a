"""When the messages came that a spool held and that cannot be read any more."""

from __future__ import annotations

import time
from dataclasses import dataclass

from statscache.bus.watermark import AHEAD
from statscache.spool.loss import Loss
from statscache.spool.segment import Damage


@dataclass
class Lost:
    """Messages that are lost, and those around them.

    :param after: when the newest message before them was sent, in seconds since 1970
    :param before: the same of the first one behind them; None while there is none
    """

    damage: Damage
    after: float
    before: float | None = None


class Losses:
    """What is lost of a spool between two positions, by the times of the messages around it.

    :param since: all of it came after this time, in seconds since 1970
    :param lateness: how many seconds old a message may be when it comes
    """

    def __init__(self, since: float, lateness: int) -> None:
        self._newest = since
        self._lateness = lateness
        self._found: list[Lost] = []

    def add(self, damage: Damage) -> None:
        """Add what cannot be read."""
        self._found.append(Lost(damage, self._newest))

    def before(self, second: int) -> None:
        """Note that a message of that second lies behind all that was added."""
        self._newest = max(self._newest, second)
        for lost in reversed(self._found):
            if lost.before is not None:
                break
            lost.before = second

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def start(self) -> int:
        """The position at which the first begins."""
        return self._found[0].damage.start

    @property
    def end(self) -> int:
        """The position at which the last ends."""
        return self._found[-1].damage.end

    @property
    def all(self) -> list[Loss]:
        """Each, with the times between which its messages must lie. Of how many there were at least one is known."""
        return [self._loss(lost) for lost in self._found]

    def _loss(self, lost: Lost) -> Loss:
        now = time.time()
        first = min(lost.after, now if lost.before is None else lost.before)
        end = now if lost.before is None else min(lost.before + self._lateness, now + AHEAD)
        return Loss(1, max(min(first, end) - self._lateness, 0.0), end, 0, lost.damage.reason)
