"""Which topics there are in the table of messages of a datanommer database, and about how many messages they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Executable, text

from statscache.database.sessions import in_transaction
from statscache.history.archives.datanommer_statements import execute, fetch

#: A table with more topics is read whole.
MANY = 20_000
#: Of these types texts that are equal are the same.
TEXTS = ("text", "character varying")
#: In the transaction in which topics are listed and messages of them are read. All of a slice is read, not the first
#: rows of it, which is what a plan for a cursor is made for otherwise.
SETTINGS = {"cursor_tuple_fraction": "1"}
#: An index by which topics can be listed: in the order of the column itself, of all rows, where no two topics are equal
#: that are not the same. The names of columns are texts in JSON since servers before PostgreSQL 12 have fewer.
INDEXED = text("""
    SELECT EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_am AS m ON m.oid = c.relam
        JOIN pg_opclass AS o ON o.oid = i.indclass[0]
        JOIN pg_collation AS l ON l.oid = a.attcollation
        WHERE i.indrelid = to_regclass('messages') AND a.attname = 'topic' AND m.amname = 'btree' AND o.opcdefault
            AND i.indisvalid AND i.indpred IS NULL AND i.indcollation[0] = a.attcollation
            AND coalesce((to_jsonb(l) ->> 'collisdeterministic')::boolean, true)
    )
""")
#: A loose index scan: each topic is found by the one before it, however many messages they have.
LISTED = text("""
    WITH RECURSIVE listed AS (
        (SELECT topic FROM messages ORDER BY topic LIMIT 1)
        UNION ALL
        SELECT (SELECT m.topic FROM messages AS m WHERE m.topic > listed.topic ORDER BY m.topic LIMIT 1)
        FROM listed WHERE listed.topic IS NOT NULL
    )
    SELECT topic FROM listed WHERE topic IS NOT NULL LIMIT :most
""")


def listed(connection: Any, types: Mapping[str, str]) -> list[str] | None:
    """Return the table's topics in the transaction's snapshot; None if that would take too long: of all rows, or many.

    :param types: the type of each of its columns
    """
    if types["topic"] not in TEXTS or not fetch(connection, INDEXED)[0][0]:
        return None
    with connection.cursor() as cursor:
        cursor.execute(in_transaction(SETTINGS))
    found = [topic for (topic,) in fetch(connection, LISTED.bindparams(most=MANY + 1))]
    return found if len(found) <= MANY else None


def estimate(connection: Any, statement: Executable) -> float:
    """Return about how many rows a query has, as the server plans it."""
    with connection.cursor() as cursor:
        execute(cursor, statement, "EXPLAIN (FORMAT JSON) ")
        ((plan,),) = cursor.fetchall()
    return float(plan[0]["Plan"]["Plan Rows"])
