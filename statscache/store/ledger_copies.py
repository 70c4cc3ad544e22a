"""Makes one row of those of the ledger that an earlier version has for several copies of one message."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from statscache.messages.ids import LENGTH, YEAR_LENGTH
from statscache.store.canonical_ids import CANONICAL, TAIL
from statscache.store.ledger import plugins_of, set_of
from statscache.store.lost_sets import find_again

_ALIKE = f"length(msg_id) IN ({LENGTH - YEAR_LENGTH}, {LENGTH})"
#: The messages with several rows, and what the one row shall hold. It is as old as the oldest. Its time is the
#: earliest: that is when the message was sent, and each later one is when a bridge has passed it on.
MERGED = f"""
copies AS (
    SELECT *, {CANONICAL} AS canonical FROM statscache_ledger WHERE {_ALIKE} AND {TAIL} IN (
        SELECT {TAIL} FROM statscache_ledger WHERE {_ALIKE} GROUP BY 1 HAVING count(*) > 1
    )
), merged AS (
    SELECT canonical, array_agg(DISTINCT plugin_set ORDER BY plugin_set) AS sets, min(msg_id COLLATE "C") AS kept,
        min(counted_at) AS counted_at, min(timestamp) AS timestamp
    FROM copies GROUP BY canonical HAVING count(*) > 1
)"""
ROWS = text(
    f"WITH {MERGED} SELECT msg_id, plugin_set FROM copies JOIN merged USING (canonical) "
    "WHERE plugin_set = ANY(:sets)"
).bindparams(bindparam("sets", type_=ARRAY(Integer)))
TOGETHER = text(f"WITH {MERGED} SELECT DISTINCT sets FROM merged")
MERGE = text(f"""
WITH {MERGED}, gone AS (
    DELETE FROM statscache_ledger AS ledger USING copies JOIN merged USING (canonical)
    WHERE ledger.msg_id = copies.msg_id AND copies.msg_id <> kept
)
UPDATE statscache_ledger AS ledger
SET plugin_set = number, counted_at = merged.counted_at, timestamp = merged.timestamp
FROM merged JOIN unnest(:sets, :numbers) AS wide (sets, number) ON wide.sets = merged.sets::text
WHERE ledger.msg_id = kept
""").bindparams(bindparam("sets", type_=ARRAY(Text)), bindparam("numbers", type_=ARRAY(Integer)))


def merge_copies(connection: Connection) -> int:
    """Make one row of those of each message, with all plugins that have counted any copy; return of how many messages.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    together = _sets_together(connection)
    numbers = {number for sets in together for number in sets}
    if lost := numbers - plugins_of(connection, numbers).keys():
        rows = connection.execute(ROWS, {"sets": list(lost)}).all()
        find_again(connection, dict(rows), lost, set_of)
        together = _sets_together(connection)
    if not together:
        return 0
    wide = {_as_text(sets): _union(connection, sets) for sets in together}
    return connection.execute(MERGE, {"sets": list(wide), "numbers": list(wide.values())}).rowcount


def _sets_together(connection: Connection) -> list[list[int]]:
    """Return which sets of plugins meet in one message."""
    return list(connection.scalars(TOGETHER))


def _as_text(sets: Sequence[int]) -> str:
    return "{" + ",".join(map(str, sets)) + "}"


def _union(connection: Connection, sets: Sequence[int]) -> int:
    """Return the number of the set with all plugins of some sets."""
    return set_of(connection, frozenset[str]().union(*plugins_of(connection, sets).values()))
