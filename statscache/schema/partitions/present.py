"""The tables that statscache has partitioned, and their partitions, as they are in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Table, text

from statscache.schema.objects import quoted
from statscache.schema.partitions.statements import REST, name_of
from statscache.span import Span

#: The partitions by `timestamp` of some tables. Only catalogues are read.
THERE = text(r"""
SELECT given.place, home.nspname AS home, format('%I.%I', home.nspname, whole.relname) AS whole,
    part.oid::bigint AS oid, part.relname AS name, format('%I.%I', place.nspname, part.relname) AS sql,
    pg_get_expr(part.relpartbound, part.oid) = 'DEFAULT' AS is_default,
    ceil(extract(epoch FROM greatest(nullif(trim($$'$$ FROM ends[1]), 'MINVALUE')::timestamptz,
        '0001-01-01 00:00:00+00')))::bigint AS start,
    ceil(extract(epoch FROM least(nullif(trim($$'$$ FROM ends[2]), 'MAXVALUE')::timestamptz,
        '9999-12-31 23:59:59+00')))::bigint AS stop
FROM unnest(CAST(:tables AS text[])) WITH ORDINALITY AS given (name, place)
JOIN pg_class AS whole ON whole.oid = to_regclass(given.name) AND pg_get_partkeydef(whole.oid) = 'RANGE ("timestamp")'
JOIN pg_namespace AS home ON home.oid = whole.relnamespace
JOIN pg_inherits ON inhparent = whole.oid AND NOT inhdetachpending
JOIN pg_class AS part ON part.oid = inhrelid JOIN pg_namespace AS place ON place.oid = part.relnamespace
CROSS JOIN LATERAL regexp_match(coalesce(pg_get_expr(part.relpartbound, part.oid), ''),
    $r$^FOR VALUES FROM \((MINVALUE|'[^']+')\) TO \((MAXVALUE|'[^']+')\)|$r$) AS ends
ORDER BY given.place, start
""")


@dataclass(frozen=True)
class Partition:
    """A partition of some time.

    :param sql: its name in SQL
    :param span: the seconds at which rows of it can be
    """

    oid: int
    sql: str
    span: Span


@dataclass(frozen=True)
class Parted:
    """A table that statscache has partitioned.

    :param sql: its name in SQL
    :param schema: where it is
    :param rest: the partition of all times that have none of their own, in SQL
    :param partitions: the others, oldest first
    """

    table: Table
    sql: str
    schema: str
    rest: str
    rest_oid: int
    partitions: tuple[Partition, ...]

    def named(self, suffix: str) -> str:
        """Return the name in SQL of a partition of it."""
        return f"{quoted(self.schema)}.{quoted(name_of(self.table.name, suffix))}"

    def is_free(self, span: Span) -> bool:
        """Return whether no partition has any of a span."""
        return all(its.span.stop <= span.start or its.span.start >= span.stop for its in self.partitions)

    def can_have(self, span: Span) -> bool:
        """Return whether a partition of a span is there, or can be made."""
        return self.is_free(span) or any(its.span == span for its in self.partitions)


def partitions_of(connection: Connection, table: Table) -> tuple[Partition, ...]:
    """Return the partitions that a table has of its own times, oldest first; none if statscache has not made them."""
    found = parted(connection, [table])
    return found[0].partitions if found else ()


def parted(connection: Connection, tables: Collection[Table]) -> list[Parted]:
    """Return those of some tables that statscache has partitioned."""
    quote = connection.dialect.identifier_preparer.format_table
    named = [quote(table) for table in tables]
    rows = connection.execute(THERE, {"tables": named}).all()
    found = []
    for place, table in enumerate(tables, 1):
        its = [row for row in rows if row.place == place]
        rest = [row for row in its if row.is_default and row.name == name_of(table.name, REST)]
        spans = [Partition(row.oid, row.sql, Span(row.start, row.stop)) for row in its if not row.is_default]
        for row in rest:
            found.append(Parted(table, row.whole, row.home, row.sql, row.oid, tuple(spans)))
    return found
