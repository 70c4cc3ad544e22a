"""How large the tables are on disk, those of plugins and statscache's own, by what the catalogues and files say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from statscache.database.relations import REGCLASS
from statscache.database.trouble import is_locked_out

#: The tables, each with its partitions of any depth.
RELATIONS = text(rf"""
WITH RECURSIVE tree (name, root, oid) AS (
    SELECT relname::text, oid, oid FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'statscache\_%'
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'statscache_plugin'::regclass)
    AND NOT relispartition
    UNION
    SELECT name, oid, oid FROM statscache_plugin CROSS JOIN LATERAL unnest(tables) AS name
    JOIN pg_class ON oid = {REGCLASS.format("name")}
    WHERE relkind IN ('r', 'p')
    UNION
    SELECT name, root, inhrelid FROM tree JOIN pg_inherits ON inhparent = tree.oid
)
SELECT name, root::bigint, oid::bigint FROM tree ORDER BY name, oid
""")
#: The files of each relation. PostgreSQL waits for whoever holds it alone, as VACUUM FULL does.
FILES = text("""
SELECT coalesce(pg_table_size(oid) - toast, 0)::bigint, coalesce(pg_indexes_size(oid), 0), toast::bigint,
    CASE relkind WHEN 'r' THEN greatest(pg_stat_get_live_tuples(oid), reltuples, 0)::bigint ELSE 0 END
FROM unnest(CAST(:oids AS oid[])) WITH ORDINALITY AS given (oid, place)
JOIN pg_class USING (oid)
CROSS JOIN LATERAL coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) AS toast
""")
SOON = text("SET LOCAL lock_timeout = '100ms'")
WHOLE = text("SELECT pg_database_size(current_database())")


class Files(NamedTuple):
    """What relations take: bytes of rows, of indexes and of long values beside the rows, and about how many rows."""

    heap: int = 0
    indexes: int = 0
    toast: int = 0
    rows: int = 0

    def and_also(self, other: Files) -> Files:
        """Return the sum with others."""
        return Files(*map(sum, zip(self, other, strict=True)))

    @property
    def bytes(self) -> int:
        """All bytes together."""
        return self.heap + self.indexes + self.toast

    @property
    def bytes_per_row(self) -> float | None:
        """How many bytes a row takes, all that is kept for it included; None without rows."""
        return self.bytes / self.rows if self.rows else None


@dataclass(frozen=True)
class TableOnDisk:
    """A table, its partitions included.

    :param oid: that of the table itself
    :param partitions: how many it has, at any depth
    :param files: None while somebody holds a part of it alone
    """

    name: str
    oid: int
    partitions: int
    files: Files | None


def tables_on_disk(connection: Connection) -> list[TableOnDisk]:
    """Return all tables that statscache and its plugins write, the largest first.

    No row is read, and nobody who holds a table is waited for.

    :raises DBAPIError: if no daemon has run on the database yet
    """
    trees: dict[tuple[str, int], list[int]] = defaultdict(list)
    for name, root, oid in connection.execute(RELATIONS):
        trees[name, root].append(oid)
    connection.execute(SOON)
    found = [
        TableOnDisk(name, root, len(oids) - 1, _files(connection, oids))
        for (name, root), oids in trees.items()
    ]
    return sorted(found, key=lambda table: -table.files.bytes if table.files else 0)


def database_bytes(connection: Connection) -> int:
    """Return how large the whole database is, with what is not of statscache."""
    return connection.scalar(WHOLE) or 0


def _files(connection: Connection, oids: Sequence[int]) -> Files | None:
    """Return what relations take together, None if one of them is held."""
    try:
        with connection.begin_nested():
            whole = Files()
            for row in connection.execute(FILES, {"oids": list(oids)}):
                whole = whole.and_also(Files(*row))
            return whole
    except DBAPIError as error:
        if not is_locked_out(error):
            raise
        return None


def total(tables: Sequence[TableOnDisk]) -> int:
    """Return how many bytes tables take together, as far as that is known."""
    return sum(table.files.bytes for table in tables if table.files)
