"""Who may ask the database now, and what it said a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from statscache.web.database import BUSY, CONNECTIONS, Database, Version
from statscache.web.errors import Refusal

T = TypeVar("T")

#: For how many seconds it is known, without asking, when tables were last written.
KNOWN = 0.2
#: How many seconds an answer may take in all.
PATIENCE = 15


class Turns:
    """Lets as many ask the database at once as there are connections.

    To be used on one event loop.
    """

    def __init__(self, database: Database) -> None:
        self._turns = CapacityLimiter(CONNECTIONS)
        self._versions = _Known(self, database.versions)
        self._standings = _Known(self, database.standings)

    async def take(self, call: Callable[[], T]) -> T:
        """Return what a function that asks the database returns, once a connection is free.

        :raises Refusal: if that takes too long
        """
        try:
            with anyio.fail_after(PATIENCE):
                return await to_thread.run_sync(call, limiter=self._turns, abandon_on_cancel=True)
        except TimeoutError:
            raise Refusal(503, BUSY, 5) from None

    async def versions(self) -> dict[str, Version]:
        """Return the version of each table by its name, as it was at most `KNOWN` seconds ago.

        :raises Refusal: if the database cannot be asked
        """
        return await self._versions.get(KNOWN)

    async def newest_versions(self) -> dict[str, Version]:
        """Return the version of each table by its name, as it is now.

        :raises Refusal: if the database cannot be asked
        """
        return await self._versions.get(0.0)

    async def standings(self) -> dict[str, str]:
        """Return what tells how complete each table is, as it was at most `KNOWN` seconds ago.

        :raises Refusal: if the database cannot be asked
        """
        return await self._standings.get(KNOWN)


class _Known(Generic[T]):
    """What the database said a moment ago."""

    def __init__(self, turns: Turns, ask: Callable[[], T]) -> None:
        self._turns = turns
        self._ask = ask
        self._asking = anyio.Lock()
        self._value: T | Refusal | None = None
        self._asked = float("-inf")

    async def get(self, age: float) -> T:
        """Return it as it was when this was called, or so many seconds before.

        :raises Refusal: if the database cannot be asked
        """
        oldest = time.monotonic() - age
        async with self._asking:
            if self._asked < oldest:
                await self._ask_now()
        if isinstance(self._value, Refusal):
            raise self._value
        assert self._value is not None
        return self._value

    async def _ask_now(self) -> None:
        """Ask once for all who wait."""
        begin = time.monotonic()
        try:
            self._value = await self._turns.take(self._ask)
        except Refusal as refusal:
            self._value = refusal
            begin = time.monotonic()  # a database that is away takes each who asks seconds to find out
        self._asked = begin
