"""What the tables hold that are no counts of messages, in the form of `all_kinds`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from tests.support.all_kinds import CONTRIBUTIONS, NEWCOMERS
from tests.support.lengths import KEYS
from tests.support.reference import Cells

#: Of the tables of events, the plugins whose messages they come from, and the times of which some are deleted.
PRUNED = """
SELECT tables[2], extract(epoch FROM lower(span))::bigint, extract(epoch FROM upper(span))::bigint
FROM statscache_plugin JOIN statscache_coverage ON plugin = ident, unnest(pruned) AS span
WHERE tables[2] LIKE 'data\\_%\\_event'
"""


def kinds_in(connection: Connection) -> Cells:
    """Return what is there of who did how much, who was seen when, and how long things took, and of the events."""
    cells = {table: _volumes(connection, table) for table in CONTRIBUTIONS}
    cells[NEWCOMERS] = _times(connection)
    for table, keys in KEYS.items():
        cells[table] = _lengths(connection, table, keys)
        cells[f"{table}_event"] = _events(connection, table, keys)
    return cells


def pruned_in(connection: Connection) -> Iterator[tuple[str, range]]:
    """Yield tables of events with seconds of which some may be deleted, since nothing needs them any more."""
    for table, start, stop in connection.execute(text(PRUNED)):
        yield table, range(0 if start is None else start, stop)


def _volumes(connection: Connection, table: str) -> dict[Any, Any]:
    rows = connection.execute(text(f"SELECT {_second('timestamp')}, agent, category, volume FROM {table}"))
    return {(start, who, where): volume for start, who, where, volume in rows}


def _times(connection: Connection) -> dict[Any, Any]:
    times = ", ".join(map(_second, ("first", "last")))
    rows = connection.execute(text(f"SELECT agent, category, {times} FROM {NEWCOMERS}"))
    return {(who, where): (first, last) for who, where, first, last in rows}


def _lengths(connection: Connection, table: str, keys: tuple[str, ...]) -> dict[Any, Any]:
    columns = f"{_second('timestamp')}, {', '.join(keys)}, bucket, volume, seconds"
    rows = connection.execute(text(f"SELECT {columns} FROM {table}"))
    return {tuple(key): (volume, seconds) for *key, volume, seconds in rows}


def _events(connection: Connection, table: str, keys: tuple[str, ...]) -> dict[Any, Any]:
    columns = f"id, {_second('timestamp')}, ends, msg_id, {', '.join(keys)}"
    rows = connection.execute(text(f"SELECT {columns} FROM {table}_event"))
    return {(id, second, ends, message): tuple(names) for id, second, ends, message, *names in rows}


def _second(column: str) -> str:
    return f"extract(epoch FROM {column})::bigint"
