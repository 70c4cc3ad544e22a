"""Adding columns to tables that are there, in a moment: no row is written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Computed, Connection, DefaultClause, Identity, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, SetColumnComment

from statscache.database.dialect import PLAIN
from statscache.database.lock import PATIENCE
from statscache.database.trouble import first_line, is_database_trouble
from statscache.schema.objects import tried

log = logging.getLogger(__name__)

#: How long those who use a table are waited for, to add a column: everybody after us waits, too.
SOON = "SET LOCAL lock_timeout = '2s'"
#: A table to which a column is added, to see whether that writes rows.
TRIAL = "statscache_trial"
#: Whether a row that was there before a column has that column's value written in no file. PostgreSQL itself decides
#: what it need not compute row by row.
IS_REMEMBERED = text(
    f"SELECT bool_and(atthasmissing) FROM pg_attribute WHERE attrelid = to_regclass('pg_temp.{TRIAL}') AND attnum > 0"
)


def may_be_added(column: Column[Any]) -> bool:
    """Return whether it is known what the rows that are there have in a column: null, or what the server computes."""
    return column.nullable or has_default(column)


def has_default(column: Column[Any]) -> bool:
    """Return whether the server knows what a row has in a column that does not say so."""
    return isinstance(column.server_default, DefaultClause | Computed | Identity)


def add_columns(connection: Connection, table: Table, missing: Sequence[Column[Any]]) -> list[str]:
    """Add columns, and return why not if they cannot be added."""
    written = [column.name for column in missing if has_default(column) and _writes_rows(connection, column)]
    if written:
        return [
            f"{', '.join(written)} cannot be added in place: its value has to be computed for each row, which writes "
            "the table anew"
        ]
    error = tried(connection, [SOON, *adding(connection, table, missing), PATIENCE])
    if error is not None:
        return [f"it cannot be added: {first_line(error)}"]
    log.info("%s has new columns: %s", table.fullname, ", ".join(column.name for column in missing))
    return []


def adding(connection: Connection, table: Table, missing: Sequence[Column[Any]]) -> list[str]:
    """Return the statements that add columns with their comments."""
    name = connection.dialect.identifier_preparer.format_table(table)
    added = ", ".join(f"ADD COLUMN {CreateColumn(column).compile(dialect=PLAIN)}" for column in missing)
    comments = [str(SetColumnComment(each).compile(dialect=PLAIN)) for each in missing if each.comment]
    return [f"ALTER TABLE {name} {added}", *comments]


def _writes_rows(connection: Connection, column: Column[Any]) -> bool:
    """Return whether PostgreSQL would write each row to add a column; False where the column cannot be added at all."""
    if isinstance(column.server_default, Computed):
        return column.server_default.persisted is not False
    trial = connection.begin_nested()
    declared = CreateColumn(column).compile(dialect=PLAIN)
    try:
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {TRIAL} (); ALTER TABLE pg_temp.{TRIAL} ADD COLUMN {declared}",
            execution_options={"no_parameters": True},
        )
        return not connection.scalar(IS_REMEMBERED)
    except DBAPIError as error:
        if is_database_trouble(error):
            raise
        return False
    finally:
        trial.rollback()
