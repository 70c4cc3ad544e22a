"""Answers that many readers share."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from statscache.web.errors import Refusal
from statscache.web.turns import Turns

#: An answer is not made anew within so many seconds, however often its tables change.
YOUNG = 2.0
#: A page that takes longer than this to make, in seconds, is made while readers are given the one before, which says of
#: when it is. That one is at most so many times as old as it takes.
COSTLY, PATIENCE = 0.1, 20.0
#: So many answers are remembered.
MOST = 500


@dataclass
class _Entry:
    """An answer.

    :param version: what it depends on, as it was then
    :param made: when its making began, in seconds
    :param cost: how long that took
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: Hashable = None
    made: float = float("-inf")
    cost: float = 0.0
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
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(
        self,
        key: Hashable,
        version: Hashable,
        make: Callable[[], bytes],
        patient: bool = False,
        older: bool = False,
    ) -> bytes:
        """Return the answer that `make` gives, on another thread, or has given.

        :param version: what it depends on
        :param patient: whether to wait for a new one rather than take one that is not of this version
        :param older: whether one that is costly may be older, since it says of when it is
        :raises Refusal: what `make` raises; nothing is remembered then
        """
        entry = self._entry(key)
        if entry.version == version:
            return entry.answer
        if older and not patient and self._is_good_enough(entry):
            self._renew(entry, version, make)
            return entry.answer
        async with entry.lock:
            age = self._clock() - entry.made
            if entry.version != version and age <= YOUNG:
                if not patient:
                    return entry.answer
                await asyncio.sleep(YOUNG - age)
            if entry.version != version:
                await self._make(entry, version, make)
            return entry.answer

    def knows(self, key: Hashable, version: Hashable) -> bool:
        """Return whether an answer costs nothing."""
        entry = self._entries.get(key)
        return entry is not None and (entry.version == version or self._clock() - entry.made <= YOUNG)

    def _is_good_enough(self, entry: _Entry) -> bool:
        return entry.cost > COSTLY and self._clock() - entry.made < PATIENCE * entry.cost

    def _renew(self, entry: _Entry, version: Hashable, make: Callable[[], bytes]) -> None:
        """Make an answer anew, unless that is under way or was begun a moment ago."""
        if entry.lock.locked() or self._clock() - entry.made <= max(YOUNG, entry.cost):
            return
        task = asyncio.get_running_loop().create_task(self._renewed(entry, version, make))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renewed(self, entry: _Entry, version: Hashable, make: Callable[[], bytes]) -> None:
        async with entry.lock:
            try:
                await self._make(entry, version, make)
            except Refusal:
                entry.cost = 0.0  # whoever asks next is told

    async def _make(self, entry: _Entry, version: Hashable, make: Callable[[], bytes]) -> None:
        started = self._clock()
        entry.answer = await self._turns.take(make)
        entry.version, entry.made, entry.cost = version, started, self._clock() - started

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry
