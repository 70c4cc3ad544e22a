"""Connections that nobody has used for a while are tried before they are given out.

Who begins with a statement that may be sent again finds out by that, and saves the way to the server and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

_UNTRIED = ContextVar("statscache_untried", default=False)


@contextmanager
def untried() -> Iterator[None]:
    """Let connections be given out without being tried meanwhile."""
    token = _UNTRIED.set(True)
    try:
        yield
    finally:
        _UNTRIED.reset(token)


def try_before_use(engine: Engine) -> None:
    """Try each connection of an engine before it is given out, and replace all of them if that one is lost."""
    dialect: Any = engine.dialect

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, fairy: Any) -> None:
        if connection.closed:  # as the driver knows without asking
            raise DisconnectionError
        if _UNTRIED.get():
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            if dialect.is_disconnect(error, connection, None):
                raise InvalidatePoolError from error
            raise
