"""Which tables a transaction has changed, and telling those who listen by NOTIFY."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, Text, func, select
from sqlalchemy.exc import DBAPIError

from statscache.database.arrays import column_of_texts
from statscache.database.lock import APART
from statscache.database.timing import Bounds
from statscache.database.trouble import first_line, is_database_trouble
from statscache.instants import write_second

log = logging.getLogger(__name__)

CHANNEL = "statscache"
#: Commits fail once the queue of notifications is full, as when somebody listens in a transaction that never ends.
#: Past this share of it nobody is told anything.
FULL = 0.5

TELL_IF_WRITTEN = "SELECT pg_notify(%s, %s) FROM written WHERE pg_notification_queue_usage() < %s LIMIT 1"


class Changes:
    """What of which tables a transaction changes.

    By table, from which second since 1970 on to before which one; None where that is not known.
    """

    def __init__(self) -> None:
        self._bounds: dict[str, Bounds | None] = {}

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

    def tell(self, connection: Connection) -> None:
        """Let PostgreSQL tell those who listen, a payload for each table, once the transaction is committed.

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
        if self._bounds and not connection.get_execution_options().get(APART):
            payload = select(column_of_texts(self._payloads(), Text).label("payload")).subquery("each")
            connection.execute(select(func.count(func.pg_notify(CHANNEL, payload.c.payload))).where(_room()))

    def _payloads(self) -> list[str]:
        return [_payload(table, bounds) for table, bounds in sorted(self._bounds.items())]


def telling(cursor: Any, statement: str, table: str, bounds: Bounds | None) -> str:
    """Return a statement that writes, and has PostgreSQL tell who listens if that changes anything."""
    tell = cursor.mogrify(TELL_IF_WRITTEN, (CHANNEL, _payload(table, bounds), FULL)).decode()
    return f"WITH written AS ({statement} RETURNING 1) {tell}"


def look_at_queue(engine: Engine) -> None:
    """Log it if there is no room in the queue of notifications."""
    with engine.connect() as connection:
        room = connection.scalar(select(_room()))
    if not room:
        log.warning(
            "NOTIFY is left out while PostgreSQL's queue of notifications is half full: end the session whose "
            "transaction keeps it full; pg_stat_activity lists it"
        )


def _room() -> Any:
    return select(func.pg_notification_queue_usage() < FULL).scalar_subquery()


def _payload(table: str, bounds: Bounds | None) -> str:
    start, stop = (None, None) if bounds is None else map(write_second, bounds)
    return json.dumps({"table": table, "from": start, "to": stop})
