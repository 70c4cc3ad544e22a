"""Reading the table of messages of a datanommer database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Text,
    any_,
    cast,
    column,
    extract,
    func,
    literal,
    null,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY

from statscache.history.archives.archive import Slice
from statscache.history.archives.datanommer_statements import begin, execute, fetch
from statscache.history.archives.datanommer_topics import estimate, listed
from statscache.history.topics import Topics
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
FAILURES = (psycopg2.Error, UnicodeError)


#: The topics that are asked for; None for all.
Names = Sequence[str] | None


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
        self._types = types

    def try_out(self) -> None:
        """Read one row at most, which fails if the table cannot be read."""
        fetch(self._connection, self.statement(Span(0, 1)).limit(1))
        self._connection.rollback()

    def read(self, span: Span, topics: Topics | None = None) -> Slice:
        """Return the first slice of the span: all of it where there are no more rows than fit.

        Topics are listed in the snapshot in which the rows are read, so that none is missing. Where they cannot be
        listed all rows are read.

        :param topics: what is wanted; None for all
        """
        with self._transaction():
            names = self._wanted(topics)
            part = Span(span.start, self._stop(span, names))
            return Slice(part, self._bodies(part, names))

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        """Return about what part of the rows of a span have some topics, as the server plans it; 1 for a slice."""
        with self._transaction():
            rows = estimate(self._connection, self._rows(span, None))
            names = listed(self._connection, self._types) if rows > ROWS else None
            if names is None:
                return [1.0] * len(wanted)
            some = (self._rows(span, topics.among(names)) for topics in wanted)
            return [min(estimate(self._connection, statement) / rows, 1.0) for statement in some]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            begin(self._connection)
            yield
        finally:
            if not self._connection.closed:
                self._connection.rollback()

    def _wanted(self, topics: Topics | None) -> Names:
        names = None if topics is None else listed(self._connection, self._types)
        return None if topics is None or names is None else topics.among(names)

    def _rows(self, span: Span, names: Names) -> Select[Any]:
        return select(MESSAGES.c.topic).where(*self._within(span, names))

    def statement(self, span: Span, names: Names = None) -> Select[Any]:
        """Return the query for the rows of a span, by time."""
        table = MESSAGES.c
        seconds = cast(extract("epoch", table.timestamp), Double)
        number = table.i if "i" in self._there else null()
        columns = (table.topic, self._content, seconds, number, self._sender, table.msg_id)
        more = (self._agent, self._headers)
        order = table.id if "id" in self._there else table.msg_id
        return select(*columns, *more).where(*self._within(span, names)).order_by(table.timestamp, order)

    def border(self, span: Span, names: Names = None) -> Select[Any]:
        """Return the query for the second of the first row that no longer fits into a slice."""
        time = MESSAGES.c.timestamp
        query = select(func.floor(extract("epoch", time))).where(*self._within(span, names)).order_by(time)
        return query.offset(ROWS).limit(1)

    def _stop(self, span: Span, names: Names) -> int:
        """Return the second at which the span's first slice ends."""
        rows = fetch(self._connection, self.border(span, names))
        return max(int(rows[0][0]), span.start + 1) if rows else span.stop

    def _within(self, span: Span, names: Names) -> list[ColumnElement[bool]]:
        moment = MESSAGES.c.timestamp
        inside = [moment >= self._moment(span.start), moment < self._moment(span.stop)]
        if names is None:
            return inside
        return [*inside, MESSAGES.c.topic == any_(cast(literal(list(names)), ARRAY(Text)))]

    def _moment(self, second: int) -> ColumnElement[Any]:
        moment = func.to_timestamp(second)
        return moment if self._zoned else func.timezone("UTC", moment)

    def _bodies(self, span: Span, names: Names) -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        with self._connection.cursor("history") as cursor:
            execute(cursor, self.statement(span, names))
            while rows := cursor.fetchmany(FETCH):
                bodies += [_body(*row) for row in rows]
        return bodies


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
