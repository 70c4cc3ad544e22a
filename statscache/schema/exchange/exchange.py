"""The transaction in which a table becomes the oldest partition of one that takes its name.

Nobody counts, and nobody else uses the table, from its first statement on. All of them only change catalogues, but for
the few rows of times to come, which move: PostgreSQL knows already that no others are left.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import first_line, is_database_trouble, is_locked_out
from statscache.errors import StatscacheError
from statscache.hosting.loader import Part
from statscache.schema.exchange.hanging import Hanging, hanging, left_on, rights
from statscache.schema.exchange.whole import Whole, by_index, in_the_way, whole
from statscache.schema.objects import in_quotes, quoted
from statscache.schema.partitioning import LOOK_AGAIN
from statscache.schema.partitions.statements import BY_TIME, OLDEST, instant, name_of, rest_of
from statscache.schema.relations import VERBATIM, note_relations
from statscache.schema.removal_triggers import missing_triggers, watched

#: The indexes of a table that are parts of those of the table that it is a partition of.
INDEXES = text("""
SELECT n.nspname, part.relname, whole.relname FROM pg_index
JOIN pg_inherits ON inhrelid = indexrelid JOIN pg_class AS part ON part.oid = inhrelid
JOIN pg_class AS whole ON whole.oid = inhparent JOIN pg_namespace AS n ON n.oid = part.relnamespace
WHERE indrelid = CAST(:oid AS oid)
""")
#: The statistics of a table, and those that were made like them.
STATISTICS = text("""
SELECT it.place, it.stxname, made.place, made.stxname FROM (
    SELECT nspname AS place, stxname, row_number() OVER (ORDER BY s.oid) FROM pg_statistic_ext AS s
    JOIN pg_namespace AS n ON n.oid = stxnamespace WHERE stxrelid = CAST(:oid AS oid)
) AS it JOIN (
    SELECT nspname AS place, stxname, row_number() OVER (ORDER BY s.oid) FROM pg_statistic_ext AS s
    JOIN pg_namespace AS n ON n.oid = stxnamespace WHERE stxrelid = to_regclass(:name)
) AS made USING (row_number)
""")
#: What a statement does, and to what.
WHAT = re.compile(r"\b(?:ALTER|COMMENT|CREATE|DROP|GRANT|REVOKE|WITH)(?: [A-Z]+)* \S+")
OID = text("SELECT to_regclass(:name)::oid::bigint")
PATH = text("SELECT set_config('search_path', :path, true)")


class StaysWhole(StatscacheError):
    """Something keeps a table from becoming a partition; nothing was changed."""

    def __init__(self, table: str, what: Iterable[str]) -> None:
        super().__init__(
            f"{table} stays whole because of {', '.join(what)}: drop or change what is in the way, and run this again"
        )


def exchange(connection: Connection, parts: Collection[Part], its: Whole) -> None:
    """Let a table become the oldest partition of one in its place; nothing if it is not ready for that any more.

    :param connection: holds the lock of `statscache.database.lock.counting`
    :raises StaysWhole: if something keeps it from that
    """
    _run(connection, "SET LOCAL jit = off")  # to compile a query takes longer than others may wait
    _run(connection, f"LOCK TABLE {its.sql} IN ACCESS EXCLUSIVE MODE")
    now = whole(connection, its.table)
    if now is None or now.oid != its.oid or not now.is_ready:
        return
    try:
        _exchange(connection, now)
        _watch(connection, parts, now)
    except DBAPIError as error:
        if is_database_trouble(error) or is_locked_out(error):
            raise
        raise StaysWhole(its.table.fullname, [_refused(error)]) from error


def _refused(error: DBAPIError) -> str:
    """Return what PostgreSQL has refused, and why."""
    detail: Any = getattr(error.orig, "diag", None)
    what = WHAT.search((detail and detail.context) or error.statement or "")
    more = f" ({detail.message_detail.rstrip('.')})" if detail and detail.message_detail else ""
    return f"{what.group() if what else 'a statement'}, which fails: {first_line(error)}{more}"


def _exchange(connection: Connection, its: Whole) -> None:
    assert its.bound is not None
    if what := in_the_way(connection, its, its.bound):
        raise StaysWhole(its.table.fullname, what)
    path = connection.scalar(text("SHOW search_path"))
    connection.execute(PATH, {"path": ""})
    on_it = hanging(connection, its.oid)
    _attach(connection, its, its.bound, on_it)
    _name(connection, its)
    oid = connection.scalar(OID, {"name": its.sql}) or 0
    _run(connection, *rights(connection, oid, its.oid), *on_it.come)
    if left := left_on(connection, its.oid):
        raise StaysWhole(its.table.fullname, left)
    connection.execute(PATH, {"path": path})


def _attach(connection: Connection, its: Whole, bound: int, on_it: Hanging) -> None:
    """Make the table that takes the place, and the partitions of it."""
    moved = f"DELETE FROM {its.oldest} WHERE \"timestamp\" >= '{instant(bound)}' RETURNING *"
    owned = [f"ALTER TABLE {name} OWNER TO {quoted(its.owner)}" for name in (its.sql, its.rest)]
    _run(
        connection,
        *on_it.go,
        f"ALTER TABLE {its.sql} RENAME TO {quoted(name_of(its.name, OLDEST))}",
        f"CREATE TABLE {its.sql} (LIKE {its.oldest} INCLUDING ALL){BY_TIME}",
        f"ALTER TABLE {its.sql} DROP CONSTRAINT {its.proof}",
        *([] if its.comment is None else [f"COMMENT ON TABLE {its.sql} IS {in_quotes(its.comment)}"]),
        *rest_of(its.name, its.schema),
        *(owned if its.foreign else ()),
    )
    with by_index(connection):
        _run(connection, f"WITH moved AS ({moved}) INSERT INTO {its.rest} SELECT * FROM moved")
    about = f"rows of {its.name} of before {instant(bound)}"
    _run(
        connection,
        says(its, "false"),
        f"ALTER TABLE {its.sql} ATTACH PARTITION {its.oldest} FOR VALUES FROM (MINVALUE) TO ('{instant(bound)}')",
        f"ALTER TABLE {its.oldest} DROP CONSTRAINT {its.proof}",
        f"DROP FUNCTION {its.function}()",
        f"COMMENT ON TABLE {its.oldest} IS {in_quotes(about)}",
    )


def says(its: Whole, what: str) -> str:
    """Return what lets the function of a table's proof say something.

    PostgreSQL takes what it says for a constant. So while it says that the proof says nothing, every row passes; and
    where it says otherwise, what is proven is that all rows are of before.
    """
    return (
        f"CREATE OR REPLACE FUNCTION {its.function}() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE "
        f"AS 'SELECT {what}'"
    )


def _name(connection: Connection, its: Whole) -> None:
    """Give indexes and statistics of the table in the place the names that those of the other had."""
    indexes = connection.execute(INDEXES, {"oid": its.oid}).all()
    statistics = connection.execute(STATISTICS, {"oid": its.oid, "name": its.sql}).all()
    named = [("INDEX", home, part, home, made) for home, part, made in indexes]
    named += [("STATISTICS", *row) for row in statistics]
    renamed = (
        f"ALTER {kind} {quoted(schema)}.{quoted(old)} RENAME TO {quoted(new)}"
        for kind, home, part, place, made in named
        for schema, old, new in ((home, part, name_of(part, OLDEST)), (place, made, part))
    )
    _run(connection, *renamed)


def _watch(connection: Connection, parts: Collection[Part], its: Whole) -> None:
    """Let all of it note what is removed by hand, and let nobody be said to have removed anything."""
    connection.execute(LOOK_AGAIN, {"oid": its.oid})
    tables = [each for each in watched(parts) if each.table.fullname == its.table.fullname]
    missing = missing_triggers(connection, tables, note_relations(connection))
    _run(connection, *(statement for _, statements in missing for statement in statements))


def _run(connection: Connection, *statements: str) -> None:
    """Run statements in one way to the server and back, which others wait for, too."""
    made = "".join(f" EXECUTE {in_quotes(statement)};" for statement in statements)
    connection.exec_driver_sql(f"DO {in_quotes(f'BEGIN{made} END')}", execution_options=VERBATIM)
