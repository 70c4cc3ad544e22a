"""Whether a table can be read, which a daemon of an earlier version may not have made."""

from __future__ import annotations

from sqlalchemy import Connection, text

IS_READABLE = text("SELECT coalesce(has_table_privilege(to_regclass(:table), 'SELECT'), false)")


def is_readable(connection: Connection, table: str) -> bool:
    """Return whether a table of statscache itself is there, and this role may read it."""
    return bool(connection.scalar(IS_READABLE, {"table": table}))
