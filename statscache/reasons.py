"""Counts things that go wrong, and decides when to log them."""

from __future__ import annotations

from collections import Counter


class ReasonCounter:
    """Counts by a short text. `add` says whether this one is worth a line of log: the 1st, 2nd, 4th, 8th and so on are.

    So the first is seen at once, and a flood of a million costs twenty lines.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, key: str) -> bool:
        """Count one more, and return whether to log it."""
        self.counts[key] += 1
        count = self.counts[key]
        return count & (count - 1) == 0

    def total(self) -> int:
        """Return the sum over all keys."""
        return self.counts.total()
