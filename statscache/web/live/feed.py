"""Tells those who wait which tables have changed, however many they are, by one connection.

While the database can be listened to, its notifications say what has changed. While it cannot, as through a pooler, it
is asked every two seconds for all together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from statscache.database.listening import Listener
from statscache.process.descriptors import limit
from statscache.web.errors import Refusal
from statscache.web.live.audience import Audience, Subscription
from statscache.web.live.ears import CHANNELS, LoopEar
from statscache.web.live.rounds import Rounds, Versions, tag_of

#: So many seconds after the last who waited is gone nothing is listened to any more: a reader comes from page to page.
LINGER = 5.0
#: So many may wait at once, if the process may have four times as many descriptors.
MOST = 1_000
#: How long in seconds the end of the listener's thread is waited for.
END = 5.0


class Feed:
    """Lets any number wait for changes. To be used on one event loop, that of asyncio.

    :param versions: returns the version of each table by its name, as it is now
    :param url: returns the database's URL; called on another thread
    """

    def __init__(self, versions: Versions, url: Callable[[], str]) -> None:
        self._versions = versions
        self._url = url
        self._audiences: dict[frozenset[str], Audience] = {}
        self._source: Source | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether nobody else may wait."""
        return sum(len(each.members) for each in self._audiences.values()) >= min(MOST, limit() // 4)

    async def subscribe(self, tables: frozenset[str], known: str | None = None) -> AsyncIterator[str]:
        """Yield a tag of what the tables hold each time that it may have changed, at most every two seconds.

        :param known: the tag that the caller has: if it is another than the present one, that comes at once
        """
        async with self.subscription(tables, known) as subscription:
            while not subscription.over:
                tag = await subscription.next(60.0)
                if tag is not None:
                    yield tag

    @asynccontextmanager
    async def subscription(
        self, tables: frozenset[str], known: str | None = None
    ) -> AsyncIterator[Subscription]:
        """Give the same to who also does something else while nothing changes."""
        subscription = Subscription()
        audience = self._audiences.setdefault(tables, Audience(tables))
        audience.members.add(subscription)
        self._start()
        seeing = asyncio.ensure_future(self._see(audience, subscription, known))
        try:
            yield subscription
        finally:
            seeing.cancel()
            self._leave(audience, subscription)

    async def close(self) -> None:
        """Let nobody wait any longer, and end the connection."""
        self._closed = True
        for audience in self._audiences.values():
            for each in audience.members:
                each.end()
        if self._source is not None:
            await self._stop().join()

    async def _see(self, audience: Audience, subscription: Subscription, known: str | None) -> None:
        """See what the tables hold, so that only what changes after that is told."""
        if self._closed:
            subscription.end()
        if self._closed or (audience.tag is not None and known is None):
            return
        try:
            tag = tag_of(await self._versions(), audience.tables)
        except Refusal:
            if self._source is not None:
                self._source.rounds.changed(audience.tables)  # as nobody knows, it is told once somebody does
            return
        if audience.tag is None:
            audience.tag = tag
        if known is not None and known != tag:
            subscription.take(tag)

    def _leave(self, audience: Audience, subscription: Subscription) -> None:
        audience.members.discard(subscription)
        if not audience.members:
            self._audiences.pop(audience.tables, None)
        if not self._audiences and self._source is not None:
            self._rest = asyncio.get_running_loop().call_later(LINGER, self._stop)

    def _start(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._source is None and not self._closed:
            self._source = Source(Rounds(self._audiences, self._versions), self._url)

    def _stop(self) -> Source:
        assert self._source is not None
        stopped, self._source = self._source, None
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        stopped.stop()
        return stopped


class Source:
    """What there is while anybody waits: a listener, and the task that tells of what it hears."""

    def __init__(self, rounds: Rounds, url: Callable[[], str]) -> None:
        loop = asyncio.get_running_loop()
        self.rounds = rounds
        self._task = loop.create_task(rounds.run())
        self._ear = LoopEar(loop, rounds.can_hear, rounds.changed)
        self._listener = Listener(url, CHANNELS, self._ear)
        self._listener.start()

    def stop(self) -> None:
        """End both. Waits for nothing."""
        self._task.cancel()
        self._ear.close()
        self._listener.stop()

    async def join(self) -> None:
        """Wait for the listener's connection to be closed, for some seconds at most."""
        await asyncio.to_thread(self._listener.join, END)
