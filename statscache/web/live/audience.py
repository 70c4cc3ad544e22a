"""Those who wait for changes of the same tables, and are told of them together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

#: Nobody is told anything more often than every so many seconds.
PACE = 2.0
#: What changes within so many seconds is one change.
GATHER = 0.25


class Subscription:
    """Somebody who waits. To be used on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news, self._ended = asyncio.Event(), asyncio.Event()
        self._tag = ""
        self._told = float("-inf")

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._ended.is_set()

    def take(self, tag: str) -> None:
        """Take the news; whoever has not taken the last ones yet takes only these."""
        self._tag = tag
        self._news.set()

    def end(self) -> None:
        """Have nothing more come."""
        self._ended.set()
        self._news.set()

    async def next(self, patience: float) -> str | None:
        """Return the tag of the newest change, once there is one.

        :return: None if none comes for so many seconds, or it is over
        """
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
                await self._keep_pace()
        except TimeoutError:
            return None
        if self.over:
            return None
        self._news.clear()
        self._told = self._clock()
        return self._tag

    async def _keep_pace(self) -> None:
        left = self._told + PACE - self._clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0.0)):
                await self._ended.wait()


class Audience:
    """Those who wait for changes of the same tables.

    :param tables: their names
    """

    def __init__(self, tables: frozenset[str]) -> None:
        self.tables = tables
        self.members: set[Subscription] = set()
        #: The tag of what the tables held when they were last looked at; None if that could not be done.
        self.tag: str | None = None
        #: When to tell of a change; None if there is none.
        self.due: float | None = None
        self._told = float("-inf")

    def changed(self, now: float) -> None:
        """Note a change: at first it is soon told, and then with what changes meanwhile."""
        if self.due is None:
            self.due = max(now + GATHER, self._told + PACE)

    def saw(self, tag: str, now: float) -> None:
        """Take what the tables hold now, which nothing was notified of; tell of it if it is something else."""
        if tag != self.tag and now >= self._told + PACE:
            self.tell(tag, now)
        elif tag != self.tag:
            self.changed(now)

    def tell(self, tag: str, now: float) -> None:
        """Tell all of a change."""
        self.tag, self._told = tag, now
        for member in self.members:
            member.take(tag)
