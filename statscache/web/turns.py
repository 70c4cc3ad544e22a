"""Who may ask the database now, and what it said a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

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
        self._database = database
        self._turns = CapacityLimiter(CONNECTIONS)
        self._asking = anyio.Lock()
        self._versions: dict[str, Version] = {}
        self._trouble: Refusal | None = None
        self._asked = float("-inf")

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
        return await self._versions_of(KNOWN)

    async def newest_versions(self) -> dict[str, Version]:
        """Return the version of each table by its name, as it is now.

        :raises Refusal: if the database cannot be asked
        """
        return await self._versions_of(0.0)

    async def _versions_of(self, age: float) -> dict[str, Version]:
        """Return the versions as they were when this was called, or so many seconds before."""
        oldest = time.monotonic() - age
        async with self._asking:
            if self._asked < oldest:
                await self._ask_versions()
        if self._trouble is not None:
            raise self._trouble
        return self._versions

    async def _ask_versions(self) -> None:
        """Ask once for all who wait."""
        self._trouble = None
        begin = time.monotonic()
        try:
            self._versions = await self.take(self._database.versions)
        except Refusal as refusal:
            self._trouble = refusal
            begin = time.monotonic()  # a database that is away takes each who asks seconds to find out
        self._asked = begin
