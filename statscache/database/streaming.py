"""Reads rows as they come, however many there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from sqlalchemy import Connection

from statscache.errors import StatscacheError

#: So many bytes are handed over at once.
BUFFER = 1 << 18


class _Copy(threading.Thread):
    """Lets PostgreSQL write rows into a pipe.

    :param error: what went wrong; None if nothing did
    """

    def __init__(self, cursor: Any, statement: str, end: int) -> None:
        super().__init__(name="statscache-copy", daemon=True)
        self._cursor, self._statement, self._end = cursor, statement, end
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with os.fdopen(self._end, "wb", BUFFER) as pipe:
                self._cursor.copy_expert(self._statement, pipe, BUFFER)
        except BrokenPipeError:
            pass  # the reader wants no more
        except Exception as error:  # noqa: BLE001  the reader raises it
            self.error = error


@contextmanager
def copied(connection: Connection, query: str) -> Iterator[IO[bytes]]:
    """Give what reads the rows of a query as CSV with a line of titles, without keeping them.

    :param query: SQL as it is sent
    :raises DBAPIError: if the query cannot be run
    :raises StatscacheError: at the end, if the database failed meanwhile
    """
    connection.exec_driver_sql(f"EXPLAIN {query}", execution_options={"no_parameters": True})
    raw: Any = connection.connection.cursor()
    read, write = os.pipe()
    copy = _Copy(raw, f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER true)", write)
    copy.start()
    try:
        with os.fdopen(read, "rb", BUFFER) as rows:
            yield rows
    finally:
        copy.join()
        raw.close()
    if copy.error is not None:
        told = str(copy.error).strip().partition("\n")[0]
        raise StatscacheError(f"the database failed while rows were read: {told}") from copy.error
