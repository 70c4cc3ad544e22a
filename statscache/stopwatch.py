"""How much of a time was spent waiting for the database."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext


class Stopwatch:
    """Tells how long something took without the statements that it ran on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._info = connection.info
        self._before = _waited(self._info)
        self._start = time.monotonic()

    @property
    def waited(self) -> float:
        """The seconds since the start in which the database was waited for."""
        return _waited(self._info) - self._before

    @property
    def seconds(self) -> float:
        """The other seconds since the start."""
        return time.monotonic() - self._start - self.waited


def time_statements(engine: Engine) -> None:
    """Keep the time that statements take, as a `Stopwatch` on any connection of the engine needs it."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *args: Any) -> None:
        connection.info["since"] = time.monotonic()

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *args: Any) -> None:
        _end(connection.info)

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        if context.connection is not None and not context.connection.invalidated:
            _end(context.connection.info)


def _end(info: dict[Any, Any]) -> None:
    info["waited"], info["since"] = _waited(info), None


def _waited(info: dict[Any, Any]) -> float:
    """Return the seconds that all statements of the connection took, one that is not yet done included."""
    since = info.get("since")
    before: float = info.get("waited", 0.0)
    return before if since is None else before + time.monotonic() - since
