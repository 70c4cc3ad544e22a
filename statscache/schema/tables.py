"""Creating tables and columns, and what makes one that is there unfit for its model."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column as SQLColumn
from sqlalchemy import Connection, Engine, Table, create_mock_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import sort_tables

from statscache.database.dialect import PLAIN
from statscache.database.lock import counting
from statscache.database.trouble import DENIED, first_line, is_database_trouble, state_of
from statscache.errors import Unusable
from statscache.hosting.loader import Part
from statscache.schema.adding import add_columns, may_be_added
from statscache.schema.objects import tried
from statscache.schema.partitions.statements import BY_TIME, rest_of
from statscache.settings import URI

log = logging.getLogger(__name__)

#: The columns of each of some tables, and whether each is part of the primary key.
COLUMNS = text(
    "SELECT given.place, attname, format_type(atttypid, NULL), "
    "attnotnull AND NOT atthasdef AND attidentity = '', coalesce(attnum = ANY (indkey), false) "
    "FROM unnest(CAST(:tables AS text[])) WITH ORDINALITY AS given (name, place) "
    "JOIN pg_class AS c ON c.oid = to_regclass(given.name) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped "
    "LEFT JOIN pg_index ON indrelid = c.oid AND indisprimary ORDER BY given.place, attnum"
)
#: Those of some names, as SQL has them, that something has already.
TAKEN = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL")
NAMED = text(
    "SELECT format_type(type, NULL), coalesce(type::oid < 16384, false) FROM to_regtype(:declared) AS type"
)
#: The names of the types that PostgreSQL has itself, which are the same in every database.
BUILT_IN: dict[str, str] = {}


@dataclass(frozen=True)
class Column:
    """A column that is there.

    :param kind: its type, by the name PostgreSQL gives it
    :param needed: whether a new row must say what it holds
    :param key: whether it is part of the primary key
    """

    kind: str
    needed: bool
    key: bool


Columns = Mapping[str, Column]


def table_of(part: Part) -> Table | None:
    """Return the table of a plugin's model."""
    return getattr(part.plugin.model, "__table__", None)


def create_tables(
    engine: Engine, tables: Iterable[Table], later: bool = False, by_time: Collection[Table] = ()
) -> dict[str, list[str]]:
    """Create the tables that are missing, and in others the columns that are missing and known for every row.

    :param later: whether a later version has upgraded them, which itself sees to what is in the columns it has added
    :param by_time: those that are created partitioned by their `timestamp`
    :return: for each table that its plugin cannot use, why: what differs from its model, or what its creation met
    :raises Unusable: if the database's user may create none, or the database fails
    """
    with creating(), counting(engine, patient=True) as connection:
        wanted = sort_tables(tables)
        there = columns_of(connection, wanted, later)
        found = {
            table.fullname: _see_to(connection, table, there[table.fullname], later, table in by_time)
            for table in wanted
        }
    return {name: lines for name, lines in found.items() if lines}


@contextmanager
def creating() -> Iterator[None]:
    """Say what to do where tables cannot be created.

    :raises Unusable: then
    """
    try:
        yield
    except DBAPIError as error:
        advice = "look at the server's log, and start again"
        if state_of(error) == DENIED:
            advice = "let its user create them, as with GRANT CREATE ON SCHEMA public"
        raise Unusable(
            f"the tables cannot be created in the database of {URI} ({first_line(error)}): {advice}"
        ) from error


def create_missing(connection: Connection, tables: Iterable[Table]) -> None:
    """Create the tables that are missing, and leave all others as they are.

    What has the name of one and is none is left for `create_tables` to tell of.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    quote = connection.dialect.identifier_preparer.format_table
    named = {quote(table): table for table in sort_tables(tables)}
    taken = set(taken_of(connection, named))
    for name, table in named.items():
        if name not in taken:
            _create(connection, table)


def taken_of(connection: Connection, names: Iterable[str]) -> list[str]:
    """Return which of some names, as SQL has them, something has already, in the same order."""
    return list(connection.scalars(TAKEN, {"names": list(names)}))


def _see_to(connection: Connection, table: Table, there: Columns, later: bool, by_time: bool) -> list[str]:
    """Create the table, or columns of it, if they are missing, and return why it cannot be used."""
    try:
        if there and not _missing(table, there):
            return list(differences(connection, table, there))
        with connection.begin_nested():
            if not there:
                _create(connection, table, by_time)
                return []
            return _add(connection, table, there, later)
    except SQLAlchemyError as error:
        if state_of(error) == DENIED or is_database_trouble(error):
            raise
        return [f"it cannot be created: {first_line(error)}"]


def _add(connection: Connection, table: Table, there: Columns, later: bool) -> list[str]:
    """Add the columns that are missing, and return why the table cannot be used."""
    refused = add_columns(connection, table, _missing(table, there))
    there = columns_of(connection, [table], later)[table.fullname]
    return [*differences(connection, table, there), *refused]


def _missing(table: Table, there: Columns) -> list[SQLColumn[Any]]:
    """Return the columns that are missing, nothing where nobody knows what one of them has in the rows there are."""
    missing = [column for column in table.columns if column.name not in there]
    return missing if all(map(may_be_added, missing)) else []


def _create(connection: Connection, table: Table, by_time: bool = False) -> None:
    """Create a table with its indexes and comments: by one statement, unless something is to be done beside it."""
    if by_time and _create_by_time(connection, table):
        return
    if table.dispatch.before_create or table.dispatch.after_create:
        table.create(connection, checkfirst=True)
        return
    script = ";".join(_statements(table))
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def _create_by_time(connection: Connection, table: Table) -> bool:
    """Create a table with a partition that takes all times, and return whether it could be."""
    first, *others = _statements(table)
    error = tried(connection, [first.rstrip() + BY_TIME, *others, *rest_of(table.name, table.schema)])
    if error is not None:
        log.warning("%s cannot be partitioned by time: %s", table.fullname, first_line(error))
    return error is None


def _statements(table: Table) -> list[str]:
    """Return what creates a table, its indexes and comments, the table itself first."""
    statements: list[str] = []
    gather = create_mock_engine(
        "postgresql://", lambda statement, *_: statements.append(str(statement.compile(dialect=PLAIN)))
    )
    table.create(gather, checkfirst=False)
    return statements


def differences(connection: Connection, table: Table, there: Columns) -> Iterator[str]:
    """Yield what of a table in the database makes it unfit for its model.

    :param there: its columns
    """
    for column in table.columns:
        if column.name not in there:
            yield f"the column {column.name} is missing"
            continue
        wanted, given = canonical(connection, column.type), there[column.name].kind
        if wanted != given:
            yield f"the column {column.name} is {given} instead of {wanted}"
    for name, its in there.items():
        if its.needed and name not in table.columns:
            yield f"the column {name} is not in the model and must not be null"
    key = [name for name, its in there.items() if its.key]
    expected = [column.name for column in table.primary_key]
    if set(key) != set(expected):
        yield f"the primary key is ({', '.join(key)}) instead of ({', '.join(expected)})"


def misfit(name: str, lines: Iterable[str]) -> str:
    """Return why a plugin whose table differs cannot run."""
    return f"its table {name} does not fit its model ({'; '.join(lines)})"


def find_misfits(connection: Connection, tables: Iterable[Table]) -> dict[str, str]:
    """Return why no plugin can run on each of the tables that are there and differ from their models."""
    its = {table.fullname: table for table in tables}
    there = columns_of(connection, list(its.values()))
    found = {name: list(differences(connection, its[name], there[name])) for name in its if there[name]}
    return {name: misfit(name, lines) for name, lines in found.items() if lines}


def columns_of(
    connection: Connection, tables: Sequence[Table], known: bool = False
) -> dict[str, dict[str, Column]]:
    """Return the columns of each table, none of one that is missing.

    :param known: whether those are left out that are neither in its model nor part of its primary key
    """
    quote = connection.dialect.identifier_preparer.format_table
    found: dict[str, dict[str, Column]] = {table.fullname: {} for table in tables}
    for place, name, *its in connection.execute(COLUMNS, {"tables": [quote(table) for table in tables]}):
        table, column = tables[place - 1], Column(*its)
        if not known or name in table.columns or column.key:
            found[table.fullname][name] = column
    return found


def canonical(connection: Connection, kind: Any) -> str:
    """Return a type by the name that PostgreSQL itself gives it, so that FLOAT is double precision."""
    declared = kind.compile(dialect=connection.dialect).partition(" COLLATE ")[0]
    if declared not in BUILT_IN:
        name, built_in = connection.execute(NAMED, {"declared": declared}).one()
        if not built_in:
            return str(name or declared)
        BUILT_IN[declared] = name
    return BUILT_IN[declared]
