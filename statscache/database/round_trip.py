"""Statements that are sent together with the COMMIT, so that the rows which they lock are held for one round trip.

Rows that several daemons write would else be locked from the first statement about them until the commit arrives, with
the way to the server and back between any two statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Delete, Engine, Insert, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

from statscache.database.timing import CHANGED, ROWS, UNSURE, Bounds, table_of
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
        self._mogrifying: Any = None
        #: For plugins whose `update` writes by nothing but upserts of ours.
        self.session: Session = _Session(connection, self)
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
        """Take a statement as it would be sent."""
        text = cursor.mogrify(statement, parameters).decode()
        self._add(cursor, text, table_of(context), context.execution_options)

    def take_directly(
        self, statement: Insert | Delete, arrays: Mapping[str, str], options: Mapping[str, Any]
    ) -> None:
        """Take a statement that is executed again and again, for a fifth of what it costs to execute it.

        :param statement: from a cache, as it is kept in another by what it is
        :param arrays: its parameters, as texts
        """
        sql, others = _compiled(statement, self._connection.dialect)
        cursor = self._cursor()
        text = cursor.mogrify(sql, {**others, **arrays}).decode()
        self._add(cursor, text, getattr(statement.table, "fullname", None), options)

    def _cursor(self) -> Any:
        """Return a cursor that only makes texts."""
        if self._mogrifying is None:
            self._mogrifying = self._connection.connection.cursor()
        return self._mogrifying

    def _add(self, cursor: Any, text: str, table: str | None, options: Mapping[str, Any]) -> None:
        self._connection.info["rows"] = self._connection.info.get("rows", 0) + options.get(ROWS, 0)
        if table is not None and CHANGED in options:
            if options.get(UNSURE):
                text = self._tell(cursor, text, table, options[CHANGED])
            else:
                self.changes.add((table, options[CHANGED]))
        self._statements.append(text)

    def commit(self) -> None:
        """Send all that was taken, and the COMMIT.

        :raises DBAPIError: if a statement failed, or the commit; then nothing is written
        :raises NotCommitted: if the server has rolled back instead
        """
        self.session.close()
        together = "; ".join([*self._statements, "COMMIT"])
        result = self._connection.exec_driver_sql(together, execution_options={"no_parameters": True})
        status = (
            result.cursor.statusmessage if result.cursor is not None else result.context.cursor.statusmessage
        )
        if status != "COMMIT":
            raise NotCommitted(f"PostgreSQL answered {status!r} to a COMMIT")


class _Session(Session):
    """A session whose upserts a round trip takes directly."""

    def __init__(self, connection: Connection, trip: RoundTrip) -> None:
        super().__init__(connection, join_transaction_mode="rollback_only")
        self._trip = trip

    def execute(
        self, statement: Any, params: Any = None, *, execution_options: Any = None, **others: Any
    ) -> Any:
        """Take a statement that writes by arrays; execute any other, and one that is sent at once all the same."""
        options = execution_options or {}
        if isinstance(statement, Insert | Delete) and isinstance(params, Mapping) and TAKES not in options:
            return self._trip.take_directly(statement, params, options)
        return super().execute(statement, params, execution_options=options, **others)


@lru_cache(maxsize=1024)
def _compiled(statement: Insert | Delete, dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """Return the SQL of a statement, and what it sets of its parameters itself."""
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return compiled.string, {name: value for name, value in compiled.params.items() if value is not None}


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
