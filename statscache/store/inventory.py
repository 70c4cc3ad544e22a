"""What the database holds of the daemon's own: the ledger, the quarantine, gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from statscache.database.relations import is_there
from statscache.store.not_kept import NOT_NEEDED, NotKeptRow
from statscache.store.removals import Removal, removals

#: The ledger's rows are estimated, as to count them takes seconds.
LEDGER = text(
    "SELECT greatest(n_live_tup, reltuples, 0)::bigint AS rows, pg_total_relation_size(relid) AS bytes "
    "FROM pg_stat_user_tables JOIN pg_class ON oid = relid WHERE relid = to_regclass('statscache_ledger')"
)
#: What each plugin lacks up to :stop, in seconds since 1970.
PLUGINS = """
WITH quarantined AS (
    SELECT plugin, count(*) AS messages, max(last_failure) FILTER (WHERE attempts > 0) AS failed
    FROM statscache_quarantine WHERE plugin = ANY(:plugins) GROUP BY plugin
)
SELECT plugin, updated, upper(covered) AS until, coalesce(messages, 0) AS quarantined, failed,
    gap.number AS gaps, gap.seconds AS gap_seconds
FROM statscache_coverage
LEFT JOIN quarantined USING (plugin)
CROSS JOIN LATERAL (
    SELECT count(*) AS number, coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0) AS seconds
    FROM date_trunc('second', since + interval '999999 microseconds') AS start,
        unnest(tstzmultirange(tstzrange(start, greatest(start, to_timestamp(:stop)))) - covered{less}) AS span
) AS gap
WHERE plugin = ANY(:plugins)
ORDER BY plugin
"""


@dataclass(frozen=True)
class PluginInventory:
    """What there is of one plugin.

    :param updated: when it last counted, or had nothing to count
    :param until: until when it has counted, None for not at all
    :param quarantined: how many messages are in the quarantine for it
    :param failed: when it last failed for one of them
    :param gaps: how many times there are that it has not counted in full
    :param gap_seconds: how long these are together
    """

    updated: datetime
    until: datetime | None
    quarantined: int
    failed: datetime | None
    gaps: int
    gap_seconds: float


@dataclass(frozen=True)
class Inventory:
    """What there is at one time.

    :param ledger_rows: about how many messages the ledger knows
    :param ledger_bytes: how large it is, its indexes included
    :param removals: what somebody has removed by hand from tables, whichever plugins write them
    """

    ledger_rows: int = 0
    ledger_bytes: int = 0
    plugins: Mapping[str, PluginInventory] = field(default_factory=dict)
    removals: Sequence[Removal] = ()


def take_inventory(connection: Connection, plugins: Iterable[str], stop: float) -> Inventory:
    """Look at the database.

    :param plugins: only these are looked at
    :param stop: only what was before is a gap, in seconds since 1970
    """
    rows, size = connection.execute(LEDGER).one_or_none() or (0, 0)
    # A daemon of an earlier version keeps all.
    less = (
        f" - {NOT_NEEDED.format(plugin='plugin')}" if is_there(connection, NotKeptRow.__tablename__) else ""
    )
    found = connection.execute(text(PLUGINS.format(less=less)), {"plugins": list(plugins), "stop": stop})
    each = {
        plugin: PluginInventory(updated, until, quarantined, failed, gaps, float(seconds))
        for plugin, updated, until, quarantined, failed, gaps, seconds in found
    }
    return Inventory(rows, size, each, removals(connection))
