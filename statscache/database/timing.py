"""Measures how long the database was waited for, and how much was written to it."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

#: How the server says that a statement has written.
WRITING = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE")

#: From which second since 1970 on to before which one.
Bounds = tuple[int, int]


#: The execution option of a statement that says so: from which second since 1970 on to before which one.
CHANGED = "statscache_changed"
#: The same of one that says how many rows it writes at most, and of one that may change nothing.
ROWS, UNSURE = "statscache_rows", "statscache_unsure"


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


class RowCount:
    """Tells how many rows have been written on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._info = connection.info
        self._before = self._info.get("rows", 0)

    @property
    def rows(self) -> int:
        """The rows inserted, updated and deleted since the start, by statements that are not plain text."""
        return int(self._info.get("rows", 0) - self._before)


class Written:
    """Tells which tables have been written on a connection since the start.

    :param unnamed: the table that is meant where a statement is plain text
    """

    def __init__(self, connection: Connection, unnamed: str | None) -> None:
        self._found: set[tuple[str | None, Bounds | None]] = set()
        self._unnamed = unnamed
        connection.info["written"] = self._found

    @property
    def changes(self) -> set[tuple[str, Bounds | None]]:
        """Each as its name, by `Table.fullname`, and what a statement has changed of it, None if that is not known.

        Statements that have changed no row are left out.
        """
        named = {(table or self._unnamed, bounds) for table, bounds in self._found}
        return {(name, bounds) for name, bounds in named if name}


def time_statements(engine: Engine) -> None:
    """Keep what a `Stopwatch`, a `RowCount` and a `Written` on any connection of the engine need."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *args: Any) -> None:
        connection.info["since"] = time.monotonic()

    @event.listens_for(engine, "after_cursor_execute")
    def end(
        connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, *args: Any
    ) -> None:
        info = connection.info
        _end(info)
        if context is not None and (context.isinsert or context.isupdate or context.isdelete):
            info["rows"] = info.get("rows", 0) + max(cursor.rowcount, 0)
        if "written" in info and cursor.rowcount and (cursor.statusmessage or "").startswith(WRITING):
            info["written"].add((table_of(context), bounds_of(context)))

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        if context.connection is not None and not context.connection.invalidated:
            _end(context.connection.info)


def table_of(context: Any) -> str | None:
    """Return the table that a statement writes, None if that is not known."""
    statement = getattr(getattr(context, "compiled", None), "statement", None)
    name: str | None = getattr(getattr(statement, "table", None), "fullname", None)
    return name


def bounds_of(context: Any) -> Bounds | None:
    """Return what a statement says that it changes, None if it does not."""
    bounds: Bounds | None = getattr(context, "execution_options", {}).get(CHANGED)
    return bounds


def _end(info: dict[Any, Any]) -> None:
    info["waited"], info["since"] = _waited(info), None


def _waited(info: dict[Any, Any]) -> float:
    """Return the seconds that all statements of the connection took, one that is not yet done included."""
    since = info.get("since")
    before: float = info.get("waited", 0.0)
    return before if since is None else before + time.monotonic() - since
