"""Repairs the ledger where somebody has deleted rows of `statscache_plugin_set`."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import Connection, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

log = logging.getLogger(__name__)

#: Which plugins have counted messages of the ledger: those that have covered its time, and those that had been started
#: before it was counted, of which some may have been away.
COUNTED_BY = text("""
SELECT msg_id, array(
    SELECT ident FROM statscache_plugin LEFT JOIN statscache_coverage ON plugin = ident
    WHERE first_start <= counted_at OR covered @> ledger.timestamp ORDER BY ident
)
FROM statscache_ledger AS ledger WHERE msg_id = ANY(:ids) AND plugin_set = ANY(:sets)
""").bindparams(bindparam("ids", type_=ARRAY(Text)))
#: Of what plugins that may have been away are taken to have counted, nothing is complete.
DOUBT = text("""
INSERT INTO statscache_removed (table_name, times, how)
SELECT table_name, range_agg(tstzrange(second, second + interval '1 second')), :how FROM (
    SELECT unnest(tables) AS table_name, date_trunc('second', ledger.timestamp) AS second
    FROM statscache_ledger AS ledger
    JOIN statscache_plugin ON first_start <= counted_at
    LEFT JOIN statscache_coverage ON plugin = ident
    WHERE msg_id = ANY(:ids) AND plugin_set = ANY(:sets) AND NOT coalesce(covered @> ledger.timestamp, false)
) AS each GROUP BY table_name
""").bindparams(bindparam("ids", type_=ARRAY(Text)))
HOW = "DELETE FROM statscache_plugin_set"
GIVE = text("UPDATE statscache_ledger SET plugin_set = :set WHERE msg_id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Text))
)


def find_again(
    connection: Connection,
    known: Mapping[str, int],
    lost: Collection[int],
    set_of: Callable[[Connection, frozenset[str]], int],
) -> dict[str, int]:
    """Give messages whose sets of plugins are gone new ones.

    :param known: the number of the set of each message
    :param lost: the numbers of those sets that are gone
    :param set_of: gives the number of a set
    :return: the number of the set of each message, which is there
    """
    log.error(
        "statscache_plugin_set has lost rows (%s): which plugins counted their messages is taken from when these were "
        "first started, and what they had not covered yet of those times is not complete any more",
        ", ".join(map(str, sorted(lost))),
    )
    ids = [id for id, number in known.items() if number in lost]
    groups: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    connection.execute(DOUBT, {"ids": ids, "sets": list(lost), "how": HOW})
    for id, plugins in connection.execute(COUNTED_BY, {"ids": ids, "sets": list(lost)}):
        groups[frozenset(plugins)].append(id)
    found = dict(known)
    for plugins, its in groups.items():
        number = set_of(connection, plugins)
        connection.execute(GIVE, {"set": number, "ids": its})
        found |= dict.fromkeys(its, number)
    return found
