"""What was lost since a spool had no room."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

#: Holds what was lost; of a fixed size from the start, so that it can be written when the disk is full.
LOSS = struct.Struct("<QddQ")


@dataclass(frozen=True)
class Loss:
    """Messages that were lost since their spool had no room.

    :param count: how many
    :param first: the smallest of their timestamps, in seconds since 1970
    :param last: the greatest
    :param before: how many of the same spool had been recorded before
    """

    count: int
    first: float
    last: float
    before: int = 0

    def add(self, timestamp: float) -> Loss:
        """Return this with one message more."""
        first, last = (self.first, self.last) if self.count else (timestamp, timestamp)
        return Loss(self.count + 1, min(first, timestamp), max(last, timestamp), self.before)

    def without(self, recorded: Loss) -> Loss:
        """Return what is left of this when what was lost until a moment ago has been recorded."""
        return replace(self, count=self.count - recorded.count, before=self.before + recorded.count)


def _unpack_loss(data: bytes) -> Loss:
    return Loss(*LOSS.unpack(data)) if len(data) == LOSS.size else Loss(0, 0, 0)
