"""Indexes that tables of an earlier version lack."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Engine, Index, Table, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from statscache.db import counting, first_line, is_database_trouble

log = logging.getLogger(__name__)

#: A table of so many bytes is indexed within a second, for which nobody can write to it.
SMALL = 64 << 20
THERE = text("""
SELECT pg_table_size(pg_class.oid) AS size, array(
    SELECT own.relname::text FROM pg_index JOIN pg_class AS own ON own.oid = indexrelid WHERE indrelid = pg_class.oid
) AS names
FROM pg_class WHERE pg_class.oid = to_regclass(:table) AND relkind IN ('r', 'p')
""")


def add_indexes(engine: Engine, tables: Iterable[Table], small: int = SMALL) -> None:
    """Create the indexes that are missing; of large tables, log how to do it without keeping anybody waiting.

    :param small: the greatest size in bytes of a table whose indexes are created here
    :raises DBAPIError: if the database fails
    """
    with counting(engine, patient=True) as connection:
        for table in tables:
            for index, size in _missing(connection, table):
                if size <= small:
                    _create(connection, index)
                else:
                    command = str(CreateIndex(index).compile(engine)).replace(
                        " INDEX ", " INDEX CONCURRENTLY ", 1
                    )
                    log.warning(
                        "%s is large and lacks an index, without which questions of the API can take too long; "
                        "while all goes on, let psql do this: %s",
                        table.fullname,
                        command,
                    )


def _missing(connection: Connection, table: Table) -> Iterator[tuple[Index, int]]:
    """Yield the indexes that are missing, by name, and the size of the table in bytes."""
    name = connection.dialect.identifier_preparer.format_table(table)
    for size, names in connection.execute(THERE, {"table": name}).all():
        lacking = (index for index in table.indexes if index.name not in names)
        yield from ((index, size) for index in sorted(lacking, key=lambda index: str(index.name)))


def _create(connection: Connection, index: Index) -> None:
    try:
        with connection.begin_nested():
            index.create(connection)
    except SQLAlchemyError as error:
        if is_database_trouble(error):
            raise
        log.warning("the index %s cannot be created: %s", index.name, first_line(error))
