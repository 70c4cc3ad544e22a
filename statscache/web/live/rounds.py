"""When to tell which audiences, and of what.

A round asks the database once, for all that are told in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from statscache.web.database import Version
from statscache.web.errors import Refusal
from statscache.web.live.audience import Audience
from statscache.web.live.ears import Tables

log = logging.getLogger(__name__)

#: Where it cannot be listened to, the database is asked every so many seconds, as it is after trouble.
LOOK = 2.0

Versions = Callable[[], Awaitable[Mapping[str, Version]]]


class Rounds:
    """Tells audiences of changes until its task is cancelled. All is called on one event loop.

    :param audiences: by their tables; others add and remove them
    :param versions: returns the version of each table by its name, as it is now
    """

    def __init__(self, audiences: Mapping[frozenset[str], Audience], versions: Versions) -> None:
        self._audiences = audiences
        self._versions = versions
        self._wake = asyncio.Event()
        self._hears = self._was_heard = False
        #: When to ask what the tables hold, though nothing was notified; None for never.
        self._look: float | None = time.monotonic() + LOOK

    def can_hear(self, can: bool) -> None:
        """Take whether all that is notified from now on is heard. What was notified before may have been missed."""
        now = time.monotonic()
        if can and self._was_heard:
            self.changed(None)
        self._look = now if can and not self._was_heard else now + LOOK
        self._hears = can
        self._was_heard = self._was_heard or can
        self._wake.set()

    def changed(self, tables: Tables) -> None:
        """Take that tables have changed."""
        now = time.monotonic()
        for audience in self._audiences.values():
            if tables is None or not tables.isdisjoint(audience.tables):
                audience.changed(now)
        self._wake.set()

    async def run(self) -> None:
        """Go round whenever there is something to tell, or to look at. The body of the task."""
        while True:
            await self._wait()
            await self.go_round()

    async def go_round(self) -> None:
        """Tell those to whom it is due."""
        now = time.monotonic()
        due = [each for each in self._audiences.values() if each.due is not None and each.due <= now]
        looks = self._look is not None and self._look <= now
        if looks:
            self._look = None if self._hears else now + LOOK
        if self._audiences and (due or looks):
            await self._tell(due, looks)

    async def _tell(self, due: Collection[Audience], looks: bool) -> None:
        for each in due:
            each.due = None  # before it is asked: what changes meanwhile is told again
        try:
            versions = await self._versions()
        except Exception as error:  # noqa: BLE001  the task must not end
            self._failed(error, due, looks)
            return
        now = time.monotonic()
        if looks and self._look is not None:
            self._look = now + LOOK
        for audience in list(self._audiences.values()):
            tag = tag_of(versions, audience.tables)
            if audience in due:
                audience.tell(tag, now)
            elif looks:
                audience.saw(tag, now)

    def _failed(self, error: Exception, due: Collection[Audience], looks: bool) -> None:
        """Have the same told later."""
        if not isinstance(error, Refusal):  # which was logged where it was made
            log.error("open pages are told of a change later", exc_info=error)
        later = time.monotonic() + LOOK
        for each in due:
            each.due = later
        if looks:
            self._look = later

    async def _wait(self) -> None:
        """Wait until there is something to do."""
        times = [each.due for each in self._audiences.values()]
        soonest = min((each for each in (self._look, *times) if each is not None), default=None)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if soonest is None else max(soonest - time.monotonic(), 0.0)):
                await self._wake.wait()
        self._wake.clear()


def tag_of(versions: Mapping[str, Version], tables: Collection[str]) -> str:
    """Return a tag that tells what some tables hold from what they held before.

    :param versions: the version of each table by its name; there is none of one that no daemon has written yet
    """
    each = (f"{name} {versions[name].tag if name in versions else ''}\n" for name in sorted(tables))
    return hashlib.sha256("".join(each).encode()).hexdigest()[:16]
