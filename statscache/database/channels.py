"""The channels on which PostgreSQL tells those who listen what a transaction has changed."""

from __future__ import annotations

#: Which windows of which table have changed, and of which tables something else is complete now.
ROWS_CHANNEL, COVERAGE_CHANNEL = "statscache", "statscache_coverage"
#: Commits fail once the queue of notifications is full, as when somebody listens in a transaction that never ends.
#: Past this share of it nobody is told anything.
FULL = 0.5
#: A payload has fewer bytes than this.
LONGEST_PAYLOAD = 8_000


def told_of(table: str) -> str:
    """Return the SQL that tells, in a query that has the table in a column or variable of that name.

    It is for those whose coverage has changed.
    """
    return f"pg_notify('{COVERAGE_CHANNEL}', json_build_object('tables', json_build_array({table}))::text)"


def told_of_rows(table: str) -> str:
    """Return the SQL that tells that any row of a table may have changed, in a query that names it by a literal."""
    payload = f"json_build_object('table', {table}, 'from', null, 'to', null)::text"
    return f"pg_notify('{ROWS_CHANNEL}', {payload})"


#: The SQL condition under which anybody is told.
HAS_ROOM = f"pg_notification_queue_usage() < {FULL}"
