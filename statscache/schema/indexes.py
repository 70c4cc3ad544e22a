"""Indexes that tables of an earlier version lack."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Index, Row, Table, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from statscache.database.lock import counting
from statscache.database.trouble import first_line, is_database_trouble, is_locked_out

log = logging.getLogger(__name__)

#: A table of so many bytes is indexed within a second, for which nobody can write to it.
SMALL = 64 << 20
#: So many seconds are waited for those who are writing to a table; who else counts waits meanwhile.
PATIENCE = 2.0
#: The indexes of each of some tables; one row without any for a table that has none.
THERE = text("""
SELECT given.place, CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) ELSE
    (SELECT sum(pg_table_size(relid))::bigint FROM pg_partition_tree(c.oid)) END AS size,
    ARRAY(SELECT relid::regclass::text FROM pg_partition_tree(c.oid) WHERE isleaf AND level > 0) AS leaves,
    own.relname AS plain, own.oid::regclass::text AS name, indisvalid
FROM unnest(CAST(:tables AS text[])) WITH ORDINALITY AS given (name, place)
JOIN pg_class AS c ON c.oid = to_regclass(given.name) AND c.relkind IN ('r', 'p')
LEFT JOIN pg_index ON indrelid = c.oid LEFT JOIN pg_class AS own ON own.oid = indexrelid
""")


def add_indexes(
    engine: Engine, tables: Iterable[Table], small: int = SMALL, patience: float = PATIENCE
) -> None:
    """Create the indexes that are missing; where that would keep others waiting, log how to do it without.

    :param small: the greatest size in bytes of a table whose indexes are created here
    :param patience: how long in seconds those who are writing to a table are waited for
    :raises DBAPIError: if the database fails
    """
    with counting(engine, patient=True) as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {math.ceil(patience * 1000)}")
        wanted = list(tables)
        quote = connection.dialect.identifier_preparer.format_table
        rows = connection.execute(THERE, {"tables": [quote(table) for table in wanted]}).all()
        for place, table in enumerate(wanted, 1):
            _see_to(connection, table, [row for row in rows if row.place == place], small)


def _see_to(connection: Connection, table: Table, rows: Sequence[Row[Any]], small: int) -> None:
    there = {row.plain: row for row in rows}
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        found = there.get(index.name)
        if found is not None and not found.indisvalid:
            _advise(
                table,
                "has an invalid index, unless it is being built just now",
                _mending(found.name),
            )
        elif found is None and rows:
            if rows[0].size > small:
                _advise(table, "is large and lacks an index", _making(connection, index, rows[0].leaves))
            else:
                _create(connection, table, index, rows[0].leaves)


def _create(connection: Connection, table: Table, index: Index, leaves: Sequence[str]) -> None:
    try:
        with connection.begin_nested():
            index.create(connection)
    except SQLAlchemyError as error:
        if is_locked_out(error):
            _advise(table, "is being written to and lacks an index", _making(connection, index, leaves))
        elif is_database_trouble(error):
            raise
        else:
            log.warning("the index %s cannot be created: %s", index.name, first_line(error))


def _advise(table: Table, state: str, command: str) -> None:
    log.warning(
        "%s %s, so queries of the API can take too long; run this in psql, while everything goes on: %s",
        table.fullname,
        state,
        command,
    )


def _making(connection: Connection, index: Index, leaves: Sequence[str] = ()) -> str:
    """Return what creates an index and keeps nobody waiting.

    :param leaves: the partitions; an index of the table takes those that they have
    """
    whole = str(CreateIndex(index).compile(connection))
    if not leaves:
        return whole.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
    assert index.table is not None
    its = connection.dialect.identifier_preparer.format_table(index.table)
    start, _, rest = whole.partition(" INDEX ")
    columns = rest.partition(f" ON {its} ")[2]
    each = [f"{start} INDEX CONCURRENTLY ON {leaf} {columns}" for leaf in leaves]
    return "; ".join([*each, whole])


def _mending(name: str) -> str:
    """Return what makes an index whole that was broken off, and keeps nobody waiting.

    :param name: as SQL names it
    """
    return f"REINDEX INDEX CONCURRENTLY {name}"
