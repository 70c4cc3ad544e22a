"""What of the database's notifications is about tables, brought to the event loop."""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from statscache.database.channels import COVERAGE_CHANNEL, ROWS_CHANNEL

#: What a listener is to listen to.
CHANNELS = (ROWS_CHANNEL, COVERAGE_CHANNEL)
#: Tables that have changed; None for any.
Tables = frozenset[str] | None


class LoopEar:
    """Calls on an event loop what is said on the listener's thread.

    :param can_hear: called with whether all changes are heard from now on
    :param changed: called with the tables that have changed
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        can_hear: Callable[[bool], None],
        changed: Callable[[Tables], None],
    ) -> None:
        self._loop = loop
        self._can_hear = can_hear
        self._changed = changed
        self._closed = False

    def can_hear(self, can: bool) -> None:
        self._call(self._can_hear, can)

    def heard(self, notifications: Sequence[tuple[str, str]]) -> None:
        self._call(self._changed, tables_in(notifications))

    def close(self) -> None:
        """Call nothing more. On the loop."""
        self._closed = True

    def _call(self, call: Callable[[Any], None], argument: object) -> None:
        def unless_closed() -> None:
            if not self._closed:
                call(argument)

        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(unless_closed)


def tables_in(notifications: Sequence[tuple[str, str]]) -> Tables:
    """Return the tables that notifications name. Where somebody else has notified something, it can be any table."""
    found: set[str] = set()
    for channel, payload in notifications:
        try:
            told = json.loads(payload)
            names = [told["table"]] if channel == ROWS_CHANNEL else told["tables"]
            found.update(names)
        except (ValueError, KeyError, TypeError):
            return None
    return frozenset(found)
