"""Reading the table of messages of a datanommer database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import psycopg2
from sqlalchemy import (
    ColumnElement,
    Double,
    Executable,
    Select,
    Text,
    cast,
    column,
    extract,
    func,
    null,
    select,
    table,
)
from sqlalchemy.engine import make_url

from statscache.database.sessions import in_transaction
from statscache.history.archives.archive import Slice
from statscache.span import Span

#: About so many rows make a slice, and so many are fetched at a time.
ROWS = 20_000
FETCH = 2_000
#: What counting needs, beside the content.
NEEDED = ["msg_id", "topic", "timestamp"]
#: What a message has where the table does.
OPTIONAL = ["id", "i"]
#: Where the messages' content may be; where there are several, one of them is null.
CONTENT = ["msg_raw", "msg", "msg_json"]
#: Who sent it: the column was renamed with version 1.4 of datanommer.models.
SENDER = ["username", "agent_name"]
#: Who did what a message of fedora-messaging tells of, from that version on; of fedmsg's it is who sent it.
AGENT = ["agent_name"]
#: What fedora-messaging's messages have beside their content.
HEADERS = ["headers"]
MESSAGES = table("messages", *map(column, NEEDED + OPTIONAL + CONTENT + SENDER + HEADERS))
#: A server that does not answer, or a lock that somebody holds, ends in an error. Nothing is ever written.
SETTINGS = {
    "TimeZone": "UTC",
    "lock_timeout": "30s",
    "statement_timeout": "300s",
    "idle_in_transaction_session_timeout": "60s",
}
FAILURES = (psycopg2.Error, UnicodeError)
DIALECT = make_url("postgresql+psycopg2://").get_dialect()()


class Reader:
    """Reads slices over a connection.

    :param types: the type of each column of the table
    """

    def __init__(self, connection: Any, types: dict[str, str]) -> None:
        self._connection = connection
        self._zoned = types["timestamp"] == "timestamp with time zone"
        names = [name for name in CONTENT if name in types]
        names.sort(key=lambda name: types[name].startswith("json"))  # a text is the message as it was sent
        self._content = _first_of(names)
        self._sender = _first_of([name for name in SENDER if name in types])
        self._agent = _first_of([name for name in AGENT if name in types])
        self._headers = _first_of([name for name in HEADERS if name in types])
        self._there = {name for name in OPTIONAL if name in types}

    def try_out(self) -> None:
        """Read one row at most, which fails if the table cannot be read."""
        fetch(self._connection, self.statement(Span(0, 1)).limit(1))
        self._connection.rollback()

    def read(self, span: Span) -> Slice:
        """Return the first slice of the span: all of it where there are no more rows than fit."""
        try:
            begin(self._connection)
            part = Span(span.start, self._stop(span))
            return Slice(part, self._bodies(part))
        finally:
            if not self._connection.closed:
                self._connection.rollback()

    def statement(self, span: Span) -> Select[Any]:
        """Return the query for the rows of a span, by time."""
        table = MESSAGES.c
        seconds = cast(extract("epoch", table.timestamp), Double)
        number = table.i if "i" in self._there else null()
        columns = (table.topic, self._content, seconds, number, self._sender, table.msg_id)
        more = (self._agent, self._headers)
        order = table.id if "id" in self._there else table.msg_id
        return select(*columns, *more).where(*self._within(span)).order_by(table.timestamp, order)

    def border(self, span: Span) -> Select[Any]:
        """Return the query for the second of the first row that no longer fits into a slice."""
        time = MESSAGES.c.timestamp
        query = select(func.floor(extract("epoch", time))).where(*self._within(span)).order_by(time)
        return query.offset(ROWS).limit(1)

    def _stop(self, span: Span) -> int:
        """Return the second at which the span's first slice ends."""
        rows = fetch(self._connection, self.border(span))
        return max(int(rows[0][0]), span.start + 1) if rows else span.stop

    def _within(self, span: Span) -> list[ColumnElement[bool]]:
        moment = MESSAGES.c.timestamp
        return [moment >= self._moment(span.start), moment < self._moment(span.stop)]

    def _moment(self, second: int) -> ColumnElement[Any]:
        moment = func.to_timestamp(second)
        return moment if self._zoned else func.timezone("UTC", moment)

    def _bodies(self, span: Span) -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        with self._connection.cursor("history") as cursor:
            _execute(cursor, self.statement(span))
            while rows := cursor.fetchmany(FETCH):
                bodies += [_body(*row) for row in rows]
        return bodies


def begin(connection: Any) -> None:
    """Begin a transaction, with settings that end with it."""
    with connection.cursor() as cursor:
        cursor.execute(in_transaction(SETTINGS))


def _execute(cursor: Any, statement: Executable) -> None:
    compiled = statement.compile(dialect=DIALECT)  # type: ignore[attr-defined]  # all that are used here can
    cursor.execute(compiled.string, compiled.params)


def fetch(connection: Any, statement: Executable) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        _execute(cursor, statement)
        return list(cursor.fetchall())


def _first_of(names: Sequence[str]) -> Any:
    """Return the first of some columns that is not null, as a text; null where there are none."""
    return func.coalesce(*(cast(MESSAGES.c[name], Text) for name in names)) if names else null()


def _body(
    topic: str,
    content: str | None,
    timestamp: float,
    i: int | None,
    username: str | None,
    msg_id: str | None,
    agent: str | None,
    headers: str | None,
) -> dict[str, Any]:
    """Return a row as a body, where what is null is left out, and the agent of what has no headers."""
    time = int(timestamp) if timestamp.is_integer() else timestamp
    body = {"topic": topic, "msg": _read(content), "timestamp": time}
    others = {"i": i, "username": username, "msg_id": msg_id, "headers": _read(headers)}
    others["agent_name"] = agent if others["headers"] else None
    return body | {name: value for name, value in others.items() if value is not None}


def _read(content: str | None) -> Any:
    """Return what JSON says, or the text itself where it is none, which is how the bus has it too."""
    if content is None:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content
