"""Gives canonical ids to the quarantine of an earlier version, in which copies of a message are messages of their own.

It needs the ledger as that version left it, with a row for each copy.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from statscache.store.canonical_ids import CANONICAL, HAS_YEAR, TAIL

#: A copy that waits for a plugin which has counted another one must not count as well. The ledger names a plugin also
#: for what is in its quarantine, so the other copy is counted only if it is not in there.
COUNTED = text(f"""
WITH waiting AS (
    SELECT plugin, msg_id, {CANONICAL} AS canonical FROM statscache_quarantine
), known AS (
    SELECT msg_id, {CANONICAL} AS canonical, plugin_set FROM statscache_ledger
    WHERE {TAIL} IN (SELECT {TAIL} FROM statscache_quarantine)
)
DELETE FROM statscache_quarantine AS its USING waiting
JOIN known ON known.canonical = waiting.canonical AND known.msg_id <> waiting.msg_id
JOIN statscache_plugin_set AS counted ON counted.id = known.plugin_set AND waiting.plugin = ANY(counted.plugins)
WHERE (its.plugin, its.msg_id) = (waiting.plugin, waiting.msg_id) AND NOT EXISTS (
    SELECT FROM statscache_quarantine AS other WHERE (other.plugin, other.msg_id) = (waiting.plugin, known.msg_id)
)
""")
#: The copy that stays of each message, for all plugins: the earliest, as the others are what bridges have passed on.
KEPT = f"""
kept AS (
    SELECT DISTINCT ON (canonical) canonical, msg_id, topic, timestamp
    FROM (SELECT *, {CANONICAL} AS canonical FROM statscache_quarantine) AS each
    WHERE canonical IN (SELECT {CANONICAL} FROM statscache_quarantine WHERE {HAS_YEAR})
    ORDER BY canonical, timestamp, msg_id COLLATE "C"
)"""
BODIES = text(f"""
WITH {KEPT}
INSERT INTO statscache_quarantine_body (msg_id, body)
SELECT canonical, body FROM kept JOIN statscache_quarantine_body USING (msg_id) WHERE msg_id <> canonical
ON CONFLICT (msg_id) DO UPDATE SET body = excluded.body
""")
TWICE = text(f"""
WITH ranked AS (
    SELECT plugin, msg_id, row_number() OVER (
        PARTITION BY plugin, {CANONICAL} ORDER BY timestamp, msg_id COLLATE "C"
    ) AS number FROM statscache_quarantine
)
DELETE FROM statscache_quarantine AS its USING ranked
WHERE (its.plugin, its.msg_id) = (ranked.plugin, ranked.msg_id) AND number > 1
""")
ROWS = text(f"""
WITH {KEPT}, waiting AS (
    SELECT plugin, msg_id, {CANONICAL} AS canonical FROM statscache_quarantine
)
UPDATE statscache_quarantine AS its
SET msg_id = canonical, topic = kept.topic, timestamp = kept.timestamp
FROM waiting JOIN kept USING (canonical)
WHERE (its.plugin, its.msg_id) = (waiting.plugin, waiting.msg_id)
""")
LEFT = text("""
DELETE FROM statscache_quarantine_body AS body
WHERE NOT EXISTS (SELECT FROM statscache_quarantine AS its WHERE its.msg_id = body.msg_id)
""")


def make_ids_canonical(connection: Connection) -> int:
    """Give all messages in the quarantine their canonical ids, and return how many rows that are.

    Of several copies one stays, and none for a plugin that has counted another one.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    connection.execute(COUNTED)
    connection.execute(BODIES)
    connection.execute(TWICE)
    rows = connection.execute(ROWS).rowcount
    connection.execute(LEFT)
    return rows
