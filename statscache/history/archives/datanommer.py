"""Messages from the database of datanommer, which keeps all of a bus in one table."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import psycopg2
from sqlalchemy import (
    URL,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from statscache.database.engine import DRIVER_ARGUMENTS, shown_url
from statscache.database.trouble import first_line
from statscache.history.archives.archive import HistoryError, Hole, Slice
from statscache.history.archives.datanommer_reader import (
    CONTENT,
    DIALECT,
    FAILURES,
    NEEDED,
    Reader,
    begin,
    fetch,
)
from statscache.history.archives.read_ahead import ahead
from statscache.schema.tables import COLUMNS
from statscache.span import Span


class Datanommer:
    """The archive in the table `messages` of a datanommer database, of any of its versions.

    :param url: such as ``postgresql://user@host/datanommer2``
    :raises HistoryError: if it is no such URL
    """

    def __init__(self, url: str) -> None:
        self._url = _read_url(url)

    def slices(self, span: Span) -> Iterator[Slice | Hole]:
        """Yield the messages of the span in slices of about ROWS, oldest first; the rest is a hole if it fails.

        All messages of a second are in one slice. Each slice is read in a transaction of its own, between which the
        database has nothing to keep.

        The next is read while one is in use.

        :raises HistoryError: if the database cannot be reached or has no such table
        """
        return ahead(self._slices(span))

    def _slices(self, span: Span) -> Generator[Slice | Hole]:
        with closing(self._connect()) as connection:
            reader = self._reader(connection)
            start = span.start
            while start < span.stop:
                rest = Span(start, span.stop)
                try:
                    found = reader.read(rest)
                except FAILURES as error:
                    yield Hole(
                        rest, f"{self} failed while it was read ({first_line(error)}): read the rest later"
                    )
                    return
                yield found
                start = found.span.stop

    def close(self) -> None:
        """Do nothing: what is read ends with its reader."""

    def __str__(self) -> str:
        return f"the datanommer database {shown_url(self._url)}"

    def _connect(self) -> Any:
        arguments, options = DIALECT.create_connect_args(self._url)
        try:
            connection = psycopg2.connect(
                *arguments, **{**DRIVER_ARGUMENTS, "application_name": "statscache history", **options}
            )
            connection.set_session("REPEATABLE READ", readonly=True)
        except FAILURES as error:
            raise HistoryError(
                f"{self} cannot be reached ({first_line(error)}): start it, or correct the URL"
            ) from None
        return connection

    def _reader(self, connection: Any) -> Reader:
        try:
            begin(connection)
            rows = fetch(connection, COLUMNS.bindparams(tables=["messages"]))
            types = {name: kind for _, name, kind, *_ in rows}
            self._check(types)
            reader = Reader(connection, types)
            reader.try_out()
        except FAILURES as error:
            raise HistoryError(
                f"{self} cannot be read ({first_line(error)}): let its user read it, "
                "as with GRANT SELECT ON messages"
            ) from None
        return reader

    def _check(self, types: dict[str, str]) -> None:
        if not types:
            raise HistoryError(f"{self} has no table messages: name the database of a datanommer")
        missing = [name for name in NEEDED if name not in types]
        if not any(name in types for name in CONTENT):
            missing.append("msg")
        if missing:
            raise HistoryError(
                f"the table messages of {self} has no column {', '.join(missing)}: "
                "name the database of a datanommer"
            )
        if not types["timestamp"].startswith("timestamp"):
            raise HistoryError(
                f"the column timestamp of {self} is {types['timestamp']} instead of a timestamp: "
                "name the database of a datanommer"
            )


def _read_url(url: str) -> URL:
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        read = None  # not shown, since it may hold a password
    if read is None or read.drivername not in ("postgresql", "postgresql+psycopg2"):
        raise HistoryError(
            "the URL of a datanommer database must be like postgresql://user@host/datanommer2: correct it"
        )
    return read
