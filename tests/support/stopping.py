"""Ends what is under way before any of its statements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event


class Killer:
    """Breaks a connection before a statement, as a process does that is killed."""

    def __init__(self, engine: Engine) -> None:
        #: How many statements are left; None for all.
        self.left: int | None = None
        self.kills = 0
        event.listen(engine, "before_cursor_execute", self._kill)

    def _kill(self, connection: Connection, *_: Any) -> None:
        if self.left == 0:
            raw: Any = connection.connection.dbapi_connection
            raw.close()
            self.kills += 1
            raise ConnectionError("killed")
        self.left = None if self.left is None else self.left - 1
