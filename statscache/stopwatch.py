"""How much of a time was spent waiting for the database."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Engine, event


class Stopwatch:
    """Tells how long something took without the statements that it ran on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._info = connection.info
        self._waited = _waited(self._info)
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since the start in which the database was not waited for."""
        return time.monotonic() - self._start - (_waited(self._info) - self._waited)


def time_statements(engine: Engine) -> None:
    """Keep the time that statements take, as a `Stopwatch` on any connection of the engine needs it."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *args: Any) -> None:
        connection.info["since"] = time.monotonic()

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *args: Any) -> None:
        connection.info["waited"] = _waited(connection.info)
        connection.info["since"] = None


def _waited(info: dict[Any, Any]) -> float:
    """Return the seconds that all statements of the connection took, one that is not yet done included."""
    since = info.get("since")
    before: float = info.get("waited", 0.0)
    return before if since is None else before + time.monotonic() - since
