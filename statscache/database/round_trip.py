"""Statements that are sent together with the COMMIT, so that the rows which they lock are held for one round trip.

Rows that several daemons write would else be locked from the first statement about them until the commit arrives, with
the way to the server and back between any two statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Engine, event

from statscache.database.timing import CHANGED, ROWS, UNSURE, Bounds, bounds_of, table_of
from statscache.errors import StatscacheError

#: The execution option that names the round trip which takes a statement.
TAKES = "statscache_round_trip"
#: The execution options of a statement that is sent at once all the same: one that reads.
NOW: Mapping[str, Any] = {TAKES: None}

#: Makes of a statement that may change nothing one that has this told if it does.
Tell = Callable[[Any, str, str, Bounds | None], str]


class NotCommitted(StatscacheError):
    """The server did not commit, and has said nothing of an error."""


class RoundTrip:
    """Takes statements that write and whose results nobody asks for, and sends them with the COMMIT.

    :param connection: in a transaction that began with an explicit BEGIN, which the driver knows nothing of
    :param tell: makes of what may change nothing a statement that has this told if it does
    """

    def __init__(self, connection: Connection, tell: Tell) -> None:
        self._connection = connection
        self._tell = tell
        self._statements: list[str] = []
        #: What tables the statements taken write in any case, each with what is known of the windows.
        self.changes: set[tuple[str, Bounds | None]] = set()

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take the statements that are executed meanwhile, instead of sending them. They return nothing."""
        self._connection.execution_options(**{TAKES: self})
        try:
            yield
        finally:
            self._connection.execution_options(**{TAKES: None})

    def take(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        """Take a statement."""
        text = cursor.mogrify(statement, parameters).decode()
        options, table = context.execution_options, table_of(context)
        self._connection.info["rows"] = self._connection.info.get("rows", 0) + options.get(ROWS, 0)
        if table is not None and CHANGED in options:
            if options.get(UNSURE):
                text = self._tell(cursor, text, table, bounds_of(context))
            else:
                self.changes.add((table, bounds_of(context)))
        self._statements.append(text)

    def commit(self) -> None:
        """Send all that was taken, and the COMMIT.

        :raises DBAPIError: if a statement failed, or the commit; then nothing is written
        :raises NotCommitted: if the server has rolled back instead
        """
        together = "; ".join([*self._statements, "COMMIT"])
        result = self._connection.exec_driver_sql(together, execution_options={"no_parameters": True})
        status = (
            result.cursor.statusmessage if result.cursor is not None else result.context.cursor.statusmessage
        )
        if status != "COMMIT":
            raise NotCommitted(f"PostgreSQL answered {status!r} to a COMMIT")


def install_round_trips(engine: Engine) -> None:
    """Let `RoundTrip` take effect on each connection of an engine.

    A connection that somebody gives back to the pool in a transaction of which the driver knows nothing, as a plugin
    can, is closed: what was written in it must not be committed with what comes next.
    """

    @event.listens_for(engine, "checkin")
    def end(connection: Any, record: Any) -> None:
        is_open = connection is not None and not connection.closed
        if is_open and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            connection.close()

    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        takes = context.execution_options.get(TAKES)
        if takes is None:
            return None
        takes.take(cursor, statement, parameters, context)
        return True
