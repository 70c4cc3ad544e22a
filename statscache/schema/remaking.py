"""What gives a plugin's table that does not fit its model the form of that model, in place.

The table stays what it is to the database: by its OID views, functions, policies, publications, rights, triggers and
comments hang on it, and go on doing so. What is in the way is known before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column as SQLColumn
from sqlalchemy import Connection, DefaultClause, Table, text
from sqlalchemy.schema import CreateTable, SetColumnComment

from statscache.database.dialect import PLAIN
from statscache.schema.adding import adding, may_be_added
from statscache.schema.objects import quoted
from statscache.schema.tables import Column, Columns, canonical, columns_of, differences

#: The types to which values of a type can be changed so that each stays the same.
WIDER = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric", "double precision"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "character varying": ("text",),
}
RELATION = text("""
SELECT c.oid::bigint AS oid, c.relkind, conname, coalesce(conindid, 0)::bigint AS index
FROM pg_class AS c LEFT JOIN pg_constraint ON conrelid = c.oid AND contype = 'p' WHERE c.oid = to_regclass(:name)
""")
#: What depends on columns of a table, or on its key, and would not outlast a change of these.
DEPENDENTS = text("""
SELECT DISTINCT CASE WHEN its.classid = 'pg_rewrite'::regclass THEN (
    SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) FROM pg_rewrite WHERE oid = its.objid
) ELSE pg_describe_object(its.classid, its.objid, its.objsubid) END
FROM pg_depend AS its
WHERE its.deptype = 'n' AND NOT (its.classid = 'pg_class'::regclass AND its.objid = :table) AND (
    (its.refclassid = 'pg_class'::regclass AND its.refobjid = :table AND its.refobjsubid IN (
        SELECT attnum FROM pg_attribute
        WHERE attrelid = :table AND NOT attisdropped AND attname = ANY (CAST(:columns AS text[]))
    ))
    OR (:key AND its.refclassid = 'pg_class'::regclass AND its.refobjid = :index)
    OR (:key AND its.refclassid = 'pg_constraint'::regclass
        AND its.refobjid = (SELECT oid FROM pg_constraint WHERE conrelid = :table AND contype = 'p'))
)
UNION
SELECT pg_describe_object('pg_constraint'::regclass, oid, 0) FROM pg_constraint
WHERE :emptied AND contype = 'f' AND confrelid = :table AND conrelid <> :table
ORDER BY 1
""")


@dataclass(frozen=True)
class Remaking:
    """What is to be done to a table.

    :param table: as its model has it
    :param differences: in what it differs from its model; none where it only loses its rows with another table
    :param emptied: why its rows cannot be kept; none where they can
    :param statements: what does it
    :param in_the_way: what depends on what is changed, and so keeps it from being changed
    """

    table: Table
    differences: Sequence[str] = ()
    emptied: Sequence[str] = ()
    statements: Sequence[str] = ()
    in_the_way: Sequence[str] = ()


@dataclass
class _Form:
    """The form of a table beside that of its model."""

    connection: Connection
    table: Table
    there: Columns
    name: str = field(init=False)
    missing: list[SQLColumn[Any]] = field(init=False)
    retyped: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.connection.dialect.identifier_preparer.format_table(self.table)
        self.missing = [column for column in self.table.columns if column.name not in self.there]
        wanted = {column.name: canonical(self.connection, column.type) for column in self.table.columns}
        self.retyped = {
            name: kind
            for name, kind in wanted.items()
            if name in self.there and kind != self.there[name].kind
        }

    @property
    def key(self) -> list[str]:
        return [name for name, its in self.there.items() if its.key]

    @property
    def is_rekeyed(self) -> bool:
        return set(self.key) != {column.name for column in self.table.primary_key}

    @property
    def foreign(self) -> dict[str, Column]:
        """The columns that the model has not, and that it cannot leave out."""
        return {
            name: its
            for name, its in self.there.items()
            if name not in self.table.columns and (its.needed or its.key)
        }

    def why_emptied(self) -> Iterator[str]:
        """Yield why the rows cannot be kept."""
        for column in self.missing:
            if not may_be_added(column):
                yield f"nobody knows what they have in {column.name}"
        for name, kind in self.retyped.items():
            if kind not in WIDER.get(self.there[name].kind, ()):
                yield f"{name} cannot be made {kind} of {self.there[name].kind}"
        if self.is_rekeyed and (
            self.key or any(column.name not in self.there for column in self.table.primary_key)
        ):
            yield "the primary key is another one"


def remaking(connection: Connection, table: Table, empty: bool = False) -> Remaking:
    """Return what gives a table the form of its model.

    :param empty: whether its rows are to go in any case
    """
    there = columns_of(connection, [table])[table.fullname]
    form = _Form(connection, table, there)
    found = list(differences(connection, table, there)) if there else []
    why = list(form.why_emptied()) if found else []
    relation = connection.execute(RELATION, {"name": form.name}).one_or_none()
    if relation is None or not (found or empty):
        return Remaking(table)
    if relation.relkind not in ("r", "p"):
        return Remaking(table, found, why, in_the_way=[f"{table.fullname} is no table"])
    emptied = why or (["another table of the plugin loses its rows"] if empty else [])
    statements = list(_statements(form, relation.conname, bool(emptied)))
    return Remaking(table, found, emptied, statements, _in_the_way(form, relation, bool(emptied)))


def _in_the_way(form: _Form, relation: Any, emptied: bool) -> list[str]:
    given = {
        "table": relation.oid,
        "columns": [*form.retyped, *(form.foreign if emptied else ())],
        "key": form.is_rekeyed,
        "index": relation.index,
        "emptied": emptied,
    }
    return list(form.connection.scalars(DEPENDENTS, given))


def _statements(form: _Form, key: str | None, emptied: bool) -> Iterator[str]:
    """Yield what gives a table its form."""
    if emptied:
        yield f"TRUNCATE {form.name}"
    if form.is_rekeyed and key is not None:
        yield f"ALTER TABLE {form.name} DROP CONSTRAINT {quoted(key)}"
    if changes := [*_foreign(form, emptied), *_retyped(form, emptied)]:
        yield f"ALTER TABLE {form.name} {', '.join(changes)}"
    if form.missing:
        yield from adding(form.connection, form.table, form.missing)
    if form.is_rekeyed:
        columns = ", ".join(quoted(column.name) for column in form.table.primary_key)
        named = "" if key is None else f"CONSTRAINT {quoted(key)} "
        yield f"ALTER TABLE {form.name} ADD {named}PRIMARY KEY ({columns})"
    for name in form.retyped:
        column = form.table.columns[name]
        if column.comment:
            yield str(SetColumnComment(column).compile(dialect=PLAIN))


def _foreign(form: _Form, emptied: bool) -> Iterator[str]:
    for name, its in form.foreign.items():
        if emptied:
            yield f"DROP COLUMN {quoted(name)}"
        elif its.needed:
            yield f"ALTER COLUMN {quoted(name)} DROP NOT NULL"


def _retyped(form: _Form, emptied: bool) -> Iterator[str]:
    for name in form.retyped:
        column = form.table.columns[name]
        kind = column.type.compile(dialect=PLAIN)
        if not emptied:
            yield f"ALTER COLUMN {quoted(name)} TYPE {kind}"
            continue
        yield f"ALTER COLUMN {quoted(name)} DROP DEFAULT"
        yield f"ALTER COLUMN {quoted(name)} TYPE {kind} USING NULL::{kind}"
        if isinstance(column.server_default, DefaultClause):
            default = PLAIN.ddl_compiler(PLAIN, CreateTable(form.table)).get_column_default_string(column)
            yield f"ALTER COLUMN {quoted(name)} SET DEFAULT {default}"
        if not column.nullable:
            yield f"ALTER COLUMN {quoted(name)} SET NOT NULL"


def remakings(connection: Connection, tables: Sequence[Table]) -> list[Remaking]:
    """Return what gives tables that belong together the form of their models; if one is emptied, so are all.

    :return: only of those of which there is something to be done
    """
    found = [remaking(connection, table) for table in tables]
    if any(its.emptied for its in found):
        found = [remaking(connection, table, empty=True) for table in tables]
    return [its for its in found if its.statements or its.in_the_way]
