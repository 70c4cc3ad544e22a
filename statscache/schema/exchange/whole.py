"""Tables that are not partitioned and are to be, as they are in the database, and what keeps them from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Table, text

from statscache.schema.exchange.hanging import lasting_on
from statscache.schema.objects import quoted
from statscache.schema.partitions.statements import OLDEST, REST, instant, name_of
from statscache.schema.relations import VERBATIM

#: So many rows of times to come are moved while others wait for the table.
MOST_AHEAD = 20_000
THERE = text("""
SELECT c.oid::bigint AS oid, nspname AS schema, relname AS name, pg_get_userbyid(relowner) AS owner,
    obj_description(c.oid, 'pg_class') AS comment, greatest(reltuples, 0)::bigint AS rows,
    relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user) AS foreign, conname AS proof,
    substring(conname FROM '[0-9]+$')::bigint AS bound, convalidated AS proven,
    floor(extract(epoch FROM clock_timestamp()))::bigint AS now
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
LEFT JOIN pg_constraint ON conrelid = c.oid AND contype = 'c' AND conname ~ '^statscache_before_[0-9]+$'
WHERE c.oid = to_regclass(:name) AND relkind = 'r' AND NOT relispartition
""")
#: What of a table itself no partitioned one can have, or is not made anew, a few words each.
UNFIT = text("""
WITH its AS (SELECT * FROM pg_class WHERE oid = CAST(:oid AS oid)),
named AS (SELECT i.*, indexrelid::regclass AS name, attnum FROM its JOIN pg_index AS i ON indrelid = its.oid
    JOIN pg_attribute ON attrelid = its.oid AND attname = 'timestamp')
SELECT pg_describe_object('pg_constraint'::regclass, c.oid, 0) FROM its JOIN pg_constraint AS c ON conrelid = its.oid
    WHERE contype IN ('f', 'x')
UNION ALL SELECT format('index %s, which is not valid', name) FROM named WHERE NOT indisvalid
UNION ALL SELECT format('unique index %s without "timestamp"', name) FROM named
    WHERE indisunique AND attnum <> ALL (indkey::int2[])
UNION ALL SELECT 'no index of it that begins with "timestamp"' WHERE NOT EXISTS (SELECT FROM named
    WHERE indkey[0] = attnum AND indisvalid AND indpred IS NULL)
UNION ALL SELECT 'a table of which it inherits' FROM its JOIN pg_inherits ON inhrelid = oid
UNION ALL SELECT pg_describe_object('pg_rewrite'::regclass, r.oid, 0) FROM its
    JOIN pg_rewrite AS r ON ev_class = its.oid
UNION ALL SELECT format('extension %s, which it belongs to', extname) FROM its JOIN pg_depend ON objid = its.oid
    AND classid = 'pg_class'::regclass AND deptype = 'e' JOIN pg_extension AS e ON e.oid = refobjid
UNION ALL SELECT DISTINCT 'a security label' FROM its
    JOIN pg_seclabel ON objoid = oid AND classoid = 'pg_class'::regclass
UNION ALL SELECT 'its replica identity' FROM its WHERE relreplident <> 'd'
UNION ALL SELECT DISTINCT format('publication %s, which publishes partitions under their own names (ALTER PUBLICATION '
    '%1$I SET (publish_via_partition_root = true) lets it publish them under that of the table)', p.pubname)
    FROM its JOIN pg_namespace AS n ON n.oid = relnamespace
    JOIN pg_publication_tables AS t ON schemaname = nspname AND tablename = relname
    JOIN pg_publication AS p ON p.pubname = t.pubname WHERE NOT pubviaroot
UNION ALL SELECT format('%s, which has the name of a partition', to_regclass(name))
    FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL
UNION ALL SELECT format('its owner %s, whom nobody but that role may stand for', pg_get_userbyid(relowner))
    FROM its WHERE NOT pg_has_role(relowner, 'USAGE')
""")


@dataclass(frozen=True)
class Whole:
    """A table that is to become the oldest partition of one that takes its place.

    :param owner: the role that owns it
    :param foreign: whether that is another than ours
    :param rows: about how many it has
    :param proof: the name of the constraint by which PostgreSQL is to know that it has only rows of before `bound`
    :param proven: whether PostgreSQL takes that as known
    :param now: the second at which it was looked at
    """

    table: Table
    oid: int
    schema: str
    name: str
    owner: str
    comment: str | None
    rows: int
    foreign: bool
    proof: str | None
    bound: int | None
    proven: bool | None
    now: int

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return self._named(self.name)

    @property
    def oldest(self) -> str:
        """Its name in SQL once it is a partition."""
        return self._named(name_of(self.name, OLDEST))

    @property
    def rest(self) -> str:
        """The name in SQL of the partition of all times that have none of their own."""
        return self._named(name_of(self.name, REST))

    @property
    def function(self) -> str:
        """The name in SQL of what says whether its proof says nothing; a restore leaves it as it is."""
        return self._named(name_of(self.name, "statscache_before"))

    @property
    def is_ready(self) -> bool:
        """Whether it can be exchanged: its proof is made, and is of a time that is still to come."""
        return bool(self.proven) and self.bound is not None and self.bound > self.now

    def _named(self, name: str) -> str:
        return f"{quoted(self.schema)}.{quoted(name)}"


def whole(connection: Connection, table: Table) -> Whole | None:
    """Return a table that is not partitioned; None for one that is, or is not there."""
    name = connection.dialect.identifier_preparer.format_table(table)
    found = connection.execute(THERE, {"name": name}).mappings().one_or_none()
    return None if found is None else Whole(table, **found)


@contextmanager
def by_index(connection: Connection) -> Iterator[None]:
    """Let rows of times to come be found by an index, whatever is known of how many they are."""
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_seqscan TO DEFAULT")


def in_the_way(connection: Connection, its: Whole, bound: int) -> Sequence[str]:
    """Return what keeps a table from becoming a partition, a few words each.

    :param bound: the second that all its rows are to be of before
    """
    unfit = list(connection.scalars(UNFIT, {"oid": its.oid, "names": [its.oldest, its.rest]}))
    if unfit:
        return [*unfit, *lasting_on(connection, its.oid)]
    ahead = f"SELECT FROM {its.sql} WHERE \"timestamp\" >= '{instant(bound)}' LIMIT {MOST_AHEAD + 1}"
    query = f"SELECT count(*) FROM ({ahead}) AS ahead"
    with by_index(connection):
        number = connection.exec_driver_sql(query, execution_options=VERBATIM).scalar_one()
    many = [f"more than {MOST_AHEAD} rows of times to come"] if number > MOST_AHEAD else []
    return [*many, *lasting_on(connection, its.oid)]
