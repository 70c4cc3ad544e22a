"""Which windows of its table a statement of a plugin's `update` changes, for those who listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from statscache.database.timing import CHANGED


def changing(seconds: Sequence[int], length: int = 1) -> Mapping[str, tuple[int, int]]:
    """Return the execution options of a statement that changes no other windows than these.

    :param seconds: where they start, in seconds since 1970; at least one
    :param length: how long each is, in seconds
    """
    return {CHANGED: (min(seconds), max(seconds) + length)}
