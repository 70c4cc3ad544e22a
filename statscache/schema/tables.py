"""Creating tables and columns, and what makes one that is there unfit for its model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_mock_engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn, SetColumnComment, sort_tables

from statscache.database.dialect import PLAIN
from statscache.database.lock import PATIENCE, counting
from statscache.database.trouble import DENIED, first_line, is_database_trouble, state_of
from statscache.errors import Unusable
from statscache.hosting.loader import Part
from statscache.schema.objects import tried
from statscache.settings import URI

log = logging.getLogger(__name__)

#: How long those who use a table are waited for, to add a column: everybody after us waits, too.
SOON = "SET LOCAL lock_timeout = '2s'"

COLUMNS = text(
    "SELECT attname, format_type(atttypid, NULL), attnotnull AND NOT atthasdef AND attidentity = '' "
    "FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid WHERE c.oid = to_regclass(:table) "
    "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


NAMED = text(
    "SELECT format_type(type, NULL), coalesce(type::oid < 16384, false) FROM to_regtype(:declared) AS type"
)
#: The names of the types that PostgreSQL has itself, which are the same in every database.
BUILT_IN: dict[str, str] = {}


def table_of(part: Part) -> Table | None:
    """Return the table of a plugin's model."""
    return getattr(part.plugin.model, "__table__", None)


def create_tables(engine: Engine, tables: Iterable[Table]) -> dict[str, list[str]]:
    """Create the tables that are missing, and in others the columns that are missing and may be null.

    :return: for each table that its plugin cannot use, why: what differs from its model, or what its creation met
    :raises Unusable: if the database's user may create none, or the database fails
    """
    try:
        with counting(engine, patient=True) as connection:
            found = {table.fullname: _see_to(connection, table) for table in sort_tables(tables)}
    except DBAPIError as error:
        advice = "look at the server's log, and start again"
        if state_of(error) == DENIED:
            advice = "let its user create them, as with GRANT CREATE ON SCHEMA public"
        raise Unusable(
            f"the tables cannot be created in the database of {URI} ({first_line(error)}): {advice}"
        ) from error
    return {name: lines for name, lines in found.items() if lines}


def _see_to(connection: Connection, table: Table) -> list[str]:
    """Create the table, or columns of it, if they are missing, and return why it cannot be used."""
    try:
        with connection.begin_nested():
            if not _columns(connection, table):
                _create(connection, table)
                return []
            refused = _add_columns(connection, table)
            return [*differences(connection, table), *refused]
    except SQLAlchemyError as error:
        if state_of(error) == DENIED or is_database_trouble(error):
            raise
        return [f"it cannot be created: {first_line(error)}"]


def _create(connection: Connection, table: Table) -> None:
    """Create a table with its indexes and comments: by one statement, unless something is to be done beside it."""
    if table.dispatch.before_create or table.dispatch.after_create:
        table.create(connection, checkfirst=True)
        return
    statements: list[str] = []
    gather = create_mock_engine(
        "postgresql://", lambda statement, *_: statements.append(str(statement.compile(dialect=PLAIN)))
    )
    table.create(gather, checkfirst=False)
    connection.exec_driver_sql(";".join(statements), execution_options={"no_parameters": True})


def _add_columns(connection: Connection, table: Table) -> list[str]:
    """Add the columns that are missing, where all of them may be null, and return why not if they cannot be added."""
    there = _columns(connection, table)
    missing = [column for column in table.columns if column.name not in there]
    if not missing or not all(column.nullable for column in missing):
        return []
    name = connection.dialect.identifier_preparer.format_table(table)
    added = ", ".join(f"ADD COLUMN {CreateColumn(column).compile(dialect=PLAIN)}" for column in missing)
    comments = [str(SetColumnComment(each).compile(dialect=PLAIN)) for each in missing if each.comment]
    error = tried(connection, [SOON, f"ALTER TABLE {name} {added}", *comments, PATIENCE])
    if error is not None:
        return [f"it cannot be added: {first_line(error)}"]
    log.info("%s has new columns: %s", table.fullname, ", ".join(column.name for column in missing))
    return []


def differences(connection: Connection, table: Table) -> Iterator[str]:
    """Yield what of a table in the database makes it unfit for its model."""
    there = _columns(connection, table)
    for column in table.columns:
        if column.name not in there:
            yield f"the column {column.name} is missing"
            continue
        wanted, (given, _) = _canonical(connection, column.type), there[column.name]
        if wanted != given:
            yield f"the column {column.name} is {given} instead of {wanted}"
    for name, (_, needed) in there.items():
        if needed and name not in table.columns:
            yield f"the column {name} is not in the model and must not be null"
    key = inspect(connection).get_pk_constraint(table.name, table.schema)["constrained_columns"]
    expected = [column.name for column in table.primary_key]
    if set(key) != set(expected):
        yield f"the primary key is ({', '.join(key)}) instead of ({', '.join(expected)})"


def misfit(name: str, lines: Iterable[str]) -> str:
    """Return why a plugin whose table differs cannot run."""
    return f"its table {name} does not fit its model ({'; '.join(lines)})"


def find_misfits(connection: Connection, tables: Iterable[Table]) -> dict[str, str]:
    """Return why no plugin can run on each of the tables that are there and differ from their models."""
    there = {
        table.fullname: list(differences(connection, table))
        for table in tables
        if _columns(connection, table)
    }
    return {name: misfit(name, lines) for name, lines in there.items() if lines}


def _columns(connection: Connection, table: Table) -> dict[str, tuple[str, bool]]:
    """Return each column's type, by the name PostgreSQL gives it, and whether a new row must say what it holds."""
    name = connection.dialect.identifier_preparer.format_table(table)
    return {row[0]: (row[1], row[2]) for row in connection.execute(COLUMNS, {"table": name})}


def _canonical(connection: Connection, kind: Any) -> str:
    """Return a type by the name that PostgreSQL itself gives it, so that FLOAT is double precision."""
    declared = kind.compile(dialect=connection.dialect).partition(" COLLATE ")[0]
    if declared not in BUILT_IN:
        name, built_in = connection.execute(NAMED, {"declared": declared}).one()
        if not built_in:
            return str(name or declared)
        BUILT_IN[declared] = name
    return BUILT_IN[declared]
