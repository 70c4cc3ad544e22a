"""Answers that many readers share."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import anyio

from statscache.web.turns import Turns

#: An answer is not made anew within so many seconds, however often its tables change.
YOUNG = 2.0
#: So many answers are remembered.
MOST = 500


@dataclass
class _Entry:
    """An answer.

    :param version: what it depends on, as it was then
    :param made: when, in seconds
    """

    lock: anyio.Lock
    version: Hashable = None
    made: float = float("-inf")
    answer: bytes = b""


class Remembered:
    """Makes each answer once for all who ask for it, and again only if what it depends on has changed.

    To be used on one event loop.

    :param clock: the time in seconds
    """

    def __init__(self, turns: Turns, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = turns
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(
        self, key: Hashable, version: Hashable, make: Callable[[], bytes], patient: bool = False
    ) -> bytes:
        """Return the answer that `make` gives, on another thread, or has given.

        :param version: what it depends on
        :param patient: whether to wait for a new one rather than take one that is young and not of this version
        :raises Refusal: what `make` raises; nothing is remembered then
        """
        entry = self._entry(key)
        async with entry.lock:
            age = self._clock() - entry.made
            if patient and entry.version != version and age <= YOUNG:
                await anyio.sleep(YOUNG - age)
            if entry.version != version and (patient or age > YOUNG):
                started = self._clock()
                entry.answer = await self._turns.take(make)
                entry.version, entry.made = version, started
            return entry.answer

    def knows(self, key: Hashable, version: Hashable) -> bool:
        """Return whether an answer costs nothing."""
        entry = self._entries.get(key)
        return entry is not None and (entry.version == version or self._clock() - entry.made <= YOUNG)

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.setdefault(key, _Entry(anyio.Lock()))
        self._entries.move_to_end(key)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry
