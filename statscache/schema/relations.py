"""What the tables of plugins are in the database, so that one which is dropped or made anew is noticed.

A relation is known by its OID, which stays when it is rewritten, as VACUUM FULL does. A new file under the same OID
means that something is gone only if the relation has no row any more that is as old as one that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, cast, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import is_locked_out
from statscache.schema.objects import quoted
from statscache.schema.registry import PluginRow
from statscache.store.removals import Loss, RelationRow, note_losses

#: A relation whose oldest row is younger than this may have been emptied since that row's window began.
YOUNG = timedelta(days=2)
#: A row of `statscache_relation`, its range as a text.
Row = dict[str, Any]
#: A table's name, and the OID of it or a partition.
Key = tuple[str, int]
COLUMNS = RelationRow.__table__.columns
KNOWN = select(*(cast(c, Text).label("times") if c.name == "times" else c for c in COLUMNS))
REGISTRY = text("SELECT 'statscache_relation'::regclass::oid::bigint")
#: The relations of tables. A partition has the rows that it, and all that it is a partition of, are declared to have.
#: Only catalogues are read, so that nobody who holds one of the tables is waited for.
PRESENT = text(r"""
WITH RECURSIVE tree (table_name, oid, depth, times) AS (
    SELECT given.name, c.oid, 0, tstzrange(NULL, NULL)
    FROM unnest(CAST(:names AS text[]), CAST(:quoted AS text[])) AS given (name, quoted)
    JOIN pg_class AS c ON c.oid = to_regclass(given.quoted)
    UNION ALL
    SELECT table_name, part.oid, depth + 1, times * CASE
        WHEN pg_get_partkeydef(tree.oid) = 'RANGE ("timestamp")' AND ends IS NOT NULL THEN tstzrange(
            nullif(trim($$'$$ FROM ends[1]), 'MINVALUE')::timestamptz,
            nullif(trim($$'$$ FROM ends[2]), 'MAXVALUE')::timestamptz)
        ELSE tstzrange(NULL, NULL) END
    FROM tree JOIN pg_inherits ON inhparent = tree.oid AND NOT inhdetachpending
    JOIN pg_class AS part ON part.oid = inhrelid AND part.relispartition
    CROSS JOIN LATERAL regexp_match(pg_get_expr(part.relpartbound, part.oid),
        $r$^FOR VALUES FROM \((MINVALUE|'[^']+')\) TO \((MAXVALUE|'[^']+')\)$$r$) AS ends
)
SELECT table_name, c.oid::bigint AS relation, n.nspname AS schema_name, c.relname AS name, depth > 0 AS partition,
    times::text, nullif(pg_relation_filenode(c.oid)::bigint, 0) AS filenode,
    EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = c.oid AND indisprimary AND attname = 'timestamp' AND atttypid = 'timestamptz'::regtype)
        AS windowed
FROM tree JOIN pg_class AS c ON c.oid = tree.oid AND c.relkind IN ('r', 'p')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY table_name, c.oid
""")
#: Who holds a table is not waited for, while nobody can count: then it is looked at, or seen to, another time.
PATIENCE = "SET LOCAL lock_timeout = '100ms'"
#: So many relations are looked at together: each takes a lock, and so do its indexes.
AT_ONCE = 200
VERBATIM = {"no_parameters": True}


@dataclass(frozen=True)
class Relation:
    """A table of a plugin, or a partition of it.

    :param table: the table's name, with a schema where its model has one
    :param windowed: whether its rows are known by their `timestamp` first, and so stay
    """

    table: str
    relation: int
    schema_name: str
    name: str
    partition: bool
    times: str
    filenode: int | None
    windowed: bool

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.table, self.relation

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return f"{quoted(self.schema_name)}.{quoted(self.name)}"


def relations_of(connection: Connection, tables: Collection[str]) -> list[Relation]:
    """Return the relations that tables consist of; none for a table that is not there."""
    names = sorted(tables)
    plain = [".".join(quoted(part) for part in name.split(".")) for name in names]
    return [Relation(*row) for row in connection.execute(PRESENT, {"names": names, "quoted": plain})]


def note_relations(connection: Connection) -> list[Relation]:
    """Compare the tables of all plugins with what they were, note what is gone, and return what they are.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    tables = set(connection.scalars(select(func.unnest(PluginRow.tables))))
    present = relations_of(connection, tables)
    home = connection.scalar(REGISTRY) or 0
    rows = [dict(row) for row in connection.execute(KNOWN).mappings()]
    known = {_key(row): row for row in rows if row["home"] == home}
    looked = _look(connection, [its for its in present if _is_unknown(its, known.get(its.key))])
    note_losses(connection, _losses(present, known, looked))
    now = [_row(its, known.get(its.key), looked, home) for its in present]
    now += [_row(_absent(name), None, {}, home) for name in tables - {its.table for its in present}]
    if sorted(now, key=_key) != sorted(rows, key=_key):
        connection.execute(delete(RelationRow))
        connection.execute(insert(RelationRow), now)
    return present


def _is_unknown(its: Relation, before: Row | None) -> bool:
    """Return whether the oldest row of a relation is not known, or may be another one now."""
    known = before is not None and before["filenode"] == its.filenode and before["oldest"] is not None
    return its.windowed and its.filenode is not None and not known


def _look(connection: Connection, unknown: Sequence[Relation]) -> dict[Key, datetime | None]:
    """Return the timestamp of the oldest row of each relation, None for an empty one, without those that are held."""
    found: dict[Key, datetime | None] = {}
    for start in range(0, len(unknown), AT_ONCE):
        found |= _look_at(connection, unknown[start : start + AT_ONCE])
    return found


def _look_at(connection: Connection, unknown: Sequence[Relation]) -> dict[Key, datetime | None]:
    queries = [f'SELECT {n} AS n, (SELECT min("timestamp") FROM {its.sql})' for n, its in enumerate(unknown)]
    try:
        with connection.begin_nested() as look:
            connection.exec_driver_sql(PATIENCE)
            found = connection.exec_driver_sql(" UNION ALL ".join(queries), execution_options=VERBATIM).all()
            look.rollback()  # so that the locks of all of them are never held together
    except DBAPIError as error:
        if not is_locked_out(error):
            raise
        half = len(unknown) // 2
        return _look_at(connection, unknown[:half]) | _look_at(connection, unknown[half:]) if half else {}
    return {unknown[n].key: oldest and oldest.astimezone(UTC) for n, oldest in found}


def _losses(
    present: Sequence[Relation], known: Mapping[Key, Row], looked: Mapping[Key, datetime | None]
) -> list[Loss]:
    """Return what is gone of what was known."""
    there = {its.key: its for its in present}
    found = {its.table for its in present}
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    losses = []
    for key, row in known.items():
        if key not in there:
            if row["relation"] or row["table_name"] in found:
                losses.append(Loss(row["table_name"], row["times"], "DROP", None, now))
        elif row["oldest"] and key in looked:
            oldest = looked[key]
            if oldest is None or oldest > row["oldest"]:
                stop = now if oldest is None or oldest > now - YOUNG else oldest
                losses.append(Loss(row["table_name"], row["times"], "TRUNCATE", row["oldest"], stop))
    return losses


def _row(its: Relation, before: Row | None, looked: Mapping[Key, datetime | None], home: int) -> Row:
    """Return what to know of a relation; what was known where it had to be looked at and was held."""
    if before is not None and _is_unknown(its, before) and its.key not in looked:
        return before
    oldest = looked[its.key] if its.key in looked else before and before["oldest"]
    known = {name: value for name, value in asdict(its).items() if name not in ("table", "windowed")}
    return {"table_name": its.table, **known, "oldest": oldest, "home": home}


def _key(row: Row) -> Key:
    return row["table_name"], row["relation"]


def _absent(table: str) -> Relation:
    """Return what stands for a table that is not there."""
    return Relation(table, 0, "", "", partition=False, times="(,)", filenode=None, windowed=False)
