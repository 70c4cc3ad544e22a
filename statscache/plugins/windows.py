"""Which windows of its table a statement of a plugin's `update` changes, for those who listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The execution option of a statement that says so: from which second since 1970 on to before which one.
CHANGED = "statscache_changed"


def changing(seconds: Sequence[int], length: int = 1) -> Mapping[str, tuple[int, int]]:
    """Return the execution options of a statement that changes no other windows than these.

    :param seconds: where they start, in seconds since 1970; at least one
    :param length: how long each is, in seconds
    """
    return {CHANGED: (min(seconds), max(seconds) + length)}
