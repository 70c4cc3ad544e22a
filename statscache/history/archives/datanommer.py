"""Messages from the database of datanommer, which keeps all of a bus in one table."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
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
    FAILURES,
    NEEDED,
    Reader,
)
from statscache.history.archives.datanommer_statements import DIALECT, begin, fetch
from statscache.history.archives.read_ahead import ahead
from statscache.history.topics import Topics
from statscache.schema.tables import COLUMNS
from statscache.span import Span

log = logging.getLogger(__name__)

DAY = 86_400
#: In seconds, the first slice of some topics is so long at most, and each at most so many times as the one before it:
#: how many rows they have in a time is not known, and none is to be found again and again.
FIRST, FASTER, LONGEST = DAY, 4, 28 * DAY


class Datanommer:
    """The archive in the table `messages` of a datanommer database, of any of its versions.

    :param url: such as ``postgresql://user@host/datanommer2``
    :raises HistoryError: if it is no such URL
    """

    def __init__(self, url: str) -> None:
        self._url = _read_url(url)

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        """Yield the messages of the span in slices of about ROWS, oldest first; the rest is a hole if it fails.

        All messages of a second are in one slice. Each slice is read in a transaction of its own, between which the
        database has nothing to keep.

        The next is read while one is in use.

        :param topics: what is wanted, None for all; where topics cannot be listed it is all, too
        :raises HistoryError: if the database cannot be reached or has no such table
        """
        return ahead(self._slices(span, topics))

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        """Return about what part of the span's messages have these topics; 1 if they are no more than a slice.

        :raises HistoryError: if the database cannot be reached or has no such table
        """
        with closing(self._connect()) as connection:
            reader = self._reader(connection)
            try:
                return reader.shares(span, wanted)
            except FAILURES as error:
                log.info("%s cannot tell its topics, so all are read: %s", self, first_line(error))
                return [1.0] * len(wanted)

    def _slices(self, span: Span, topics: Topics | None) -> Generator[Slice | Hole]:
        with closing(self._connect()) as connection:
            yield from self._read(self._reader(connection), span, topics)

    def _read(self, reader: Reader, span: Span, topics: Topics | None) -> Generator[Slice | Hole]:
        start, length = span.start, FIRST
        while start < span.stop:
            rest = Span(start, span.stop)
            part = rest if topics is None else Span(start, min(start + length, span.stop))
            try:
                found = reader.read(part, topics)
            except psycopg2.errors.QueryCanceled as error:
                if topics is None:
                    yield self._hole(rest, error)
                    return
                log.info(
                    "%s is too slow for some of its topics, so all are read: %s", self, first_line(error)
                )
                topics = None
                continue
            except FAILURES as error:
                yield self._hole(rest, error)
                return
            yield found
            start, length = found.span.stop, min(FASTER * found.span.seconds, LONGEST)

    def _hole(self, rest: Span, error: Exception) -> Hole:
        return Hole(rest, f"{self} failed while it was read ({first_line(error)}): read the rest later")

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
