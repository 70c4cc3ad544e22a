"""Which windows of its table a statement of a plugin's `update` changes, for those who listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statscache.database.timing import CHANGED, ROWS, UNSURE


def changing(
    seconds: Sequence[int], length: int = 1, rows: int = 0, surely: bool = True
) -> Mapping[str, Any]:
    """Return the execution options of a statement that changes no other windows than these.

    :param seconds: where they start, in seconds since 1970; at least one
    :param length: how long each is, in seconds
    :param rows: how many rows it writes at most
    :param surely: whether it changes any of them in any case
    """
    return {CHANGED: (min(seconds), max(seconds) + length), ROWS: rows, UNSURE: not surely}
