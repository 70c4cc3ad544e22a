"""Which tables a transaction has changed, or how complete they are, and telling those who listen by NOTIFY."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from statscache.database.channels import COVERAGE_CHANNEL, FULL, LONGEST_PAYLOAD, ROWS_CHANNEL
from statscache.database.lock import APART
from statscache.database.timing import Bounds
from statscache.database.trouble import first_line, is_database_trouble
from statscache.instants import write_second
from statscache.schema.registry import PluginRow

log = logging.getLogger(__name__)

SEND = text(
    "SELECT count(pg_notify(channel, payload)) "
    "FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS given (channel, payload) "
    "WHERE (SELECT pg_notification_queue_usage() < :full)"
)
TELL_IF_WRITTEN = "SELECT pg_notify(%s, %s) FROM written WHERE pg_notification_queue_usage() < %s LIMIT 1"


class Changes:
    """What of which tables a transaction changes, and which of them are complete for another time after it.

    The former by table, from which second since 1970 on to before which one; None where that is not known.
    """

    def __init__(self) -> None:
        self._bounds: dict[str, Bounds | None] = {}
        self._covered: set[str] = set()

    def add(self, changes: Iterable[tuple[str, Bounds | None]]) -> None:
        """Add tables that have been written, each with what is known of the windows changed."""
        for table, new in changes:
            old = self._bounds.get(table)
            if table not in self._bounds:
                self._bounds[table] = new
            elif old is None or new is None:
                self._bounds[table] = None
            else:
                self._bounds[table] = (min(old[0], new[0]), max(old[1], new[1]))

    def cover(self, tables: Iterable[str]) -> None:
        """Add tables of which another time may be complete after the transaction than before it."""
        self._covered.update(tables)

    def tell(self, connection: Connection) -> None:
        """Let PostgreSQL tell those who listen once the transaction is committed.

        That is a payload for each table that has changed, and one for all of which coverage has.

        A failure is only logged: the counts come first.
        """
        try:
            with connection.begin_nested():
                self.send(connection)
        except DBAPIError as error:
            if is_database_trouble(error):
                raise
            log.warning("NOTIFY failed, so listeners do not hear of this change: %s", first_line(error))

    def send(self, connection: Connection) -> None:
        """The same where a failure is one of the transaction."""
        told = self._told()
        if told and not connection.get_execution_options().get(APART):
            channels, payloads = (list(column) for column in zip(*told, strict=True))
            connection.execute(SEND, {"channels": channels, "payloads": payloads, "full": FULL})

    def _told(self) -> list[tuple[str, str]]:
        """Return the channels and what is told on them."""
        told = [(ROWS_CHANNEL, _payload(table, bounds)) for table, bounds in sorted(self._bounds.items())]
        return [*told, (COVERAGE_CHANNEL, _payload_of_coverage(self._covered))] if self._covered else told


def tell_of_coverage(connection: Connection, plugins: Collection[str]) -> None:
    """Tell that of the tables which these plugins write another time may be complete once a transaction is committed.

    A failure is only logged.

    :param plugins: their idents
    """
    tables = select(func.unnest(PluginRow.tables)).where(PluginRow.ident.in_(plugins))
    changes = Changes()
    changes.cover(connection.scalars(tables))
    changes.tell(connection)


def telling(cursor: Any, statement: str, table: str, bounds: Bounds | None) -> str:
    """Return a statement that writes, and has PostgreSQL tell who listens if that changes anything."""
    tell = cursor.mogrify(TELL_IF_WRITTEN, (ROWS_CHANNEL, _payload(table, bounds), FULL)).decode()
    return f"WITH written AS ({statement} RETURNING 1) {tell}"


def look_at_queue(engine: Engine) -> None:
    """Log it if there is no room in the queue of notifications."""
    with engine.connect() as connection:
        used = connection.scalars(select(func.pg_notification_queue_usage())).one()
    if used >= FULL:
        log.warning(
            "NOTIFY is left out while PostgreSQL's queue of notifications is half full: end the session whose "
            "transaction keeps it full; pg_stat_activity lists it"
        )


def _payload(table: str, bounds: Bounds | None) -> str:
    start, stop = (None, None) if bounds is None else map(write_second, bounds)
    return json.dumps({"table": table, "from": start, "to": stop})


def _payload_of_coverage(tables: Collection[str]) -> str:
    """Return the payload that names tables; where they are too many it names none, which means any of them."""
    payload = json.dumps({"tables": sorted(tables)})
    return payload if len(payload) < LONGEST_PAYLOAD else json.dumps({"tables": None})
