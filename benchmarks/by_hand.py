"""What somebody would write by hand to have the same rows: a transaction for each message, by the bare driver.

It writes the same figures, the ledger, what is covered and how far a daemon is, and tells those who listen.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import Json
from sqlalchemy import Connection, Table, select

from statscache.plugins import BasePlugin

#: The row of the writer's own in which it notes how far it is.
SPOOL = "by hand"
POSITION = "UPDATE statscache_spool SET position = position + 1, updated = now() WHERE id = %s"
LEDGER = (
    "INSERT INTO statscache_ledger (msg_id, plugin_set, counted_at, timestamp) "
    "VALUES (%s, (SELECT min(id) FROM statscache_plugin_set), now(), %s) ON CONFLICT DO NOTHING"
)
COVERAGE = (
    "UPDATE statscache_coverage SET covered = covered + tstzmultirange(tstzrange(now() - interval '1 second', now())), "
    "updated = now() WHERE plugin = ANY(%s)"
)
TELL = "SELECT pg_notify('by_hand', payload) FROM unnest(%s) AS payload"


def statements(connection: Connection, plugins: Sequence[BasePlugin]) -> list[str]:
    """Return what writes once more the rows that these plugins have written.

    :param connection: on a database in which they have counted one message
    """
    cursor = connection.connection.cursor()
    cursor.execute("INSERT INTO statscache_spool (id, position, updated) VALUES (%s, 0, now())", [SPOOL])
    tables: list[Table] = [plugin.model.__table__ for plugin in plugins if plugin.model is not None]
    written = [(table, row) for table in dict.fromkeys(tables) for row in connection.execute(select(table))]
    told = sorted({table.name for table, _ in written})
    figures = [cursor.mogrify(_upsert(table), [_given(value) for value in row]) for table, row in written]
    others = [
        cursor.mogrify(POSITION, [SPOOL]),
        cursor.mogrify(COVERAGE, [[plugin.ident for plugin in plugins]]),
        cursor.mogrify(TELL, [told]),
    ]
    return [text.decode() for text in (*figures, *others)]


def _upsert(table: Table) -> str:
    """Return what adds a row's volume, or writes the row's other columns again where it has none."""
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    changes = [
        f"{name} = {f'{table.name}.{name} + ' if name == 'volume' else ''}excluded.{name}"
        for name in names
        if name not in keys
    ]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(changes)}"
    )


def _given(value: Any) -> Any:
    return Json(value) if isinstance(value, dict) else value


class ByHand:
    """Writes what was noted in a file, and each message into the ledger.

    :param path: a JSON object with the URL of the database as libpq takes it, and the statements
    """

    def __init__(self, path: Path) -> None:
        given = json.loads(path.read_text())
        self._statements: list[str] = given["statements"]
        self._connection = psycopg2.connect(given["url"])

    def write(self) -> None:
        """Count a message: a transaction."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(LEDGER, [uuid.uuid4().hex, datetime.now(UTC)])
            for statement in self._statements:
                cursor.execute(statement)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
