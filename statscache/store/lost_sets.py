"""Repairs the ledger where somebody has deleted rows of `statscache_plugin_set`."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import Connection, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

log = logging.getLogger(__name__)

#: Which plugins have counted messages of the ledger: those that ran when it was counted, and those that have covered
#: its time.
COUNTED_BY = text("""
SELECT msg_id, array(
    SELECT ident FROM statscache_plugin LEFT JOIN statscache_coverage ON plugin = ident
    WHERE first_start <= counted_at OR covered @> ledger.timestamp ORDER BY ident
)
FROM statscache_ledger AS ledger WHERE msg_id = ANY(:ids) AND plugin_set = ANY(:sets)
""").bindparams(bindparam("ids", type_=ARRAY(Text)))
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
        "statscache_plugin_set has lost rows (%s): which plugins counted their messages is taken from when these ran",
        ", ".join(map(str, sorted(lost))),
    )
    ids = [id for id, number in known.items() if number in lost]
    groups: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for id, plugins in connection.execute(COUNTED_BY, {"ids": ids, "sets": list(lost)}):
        groups[frozenset(plugins)].append(id)
    found = dict(known)
    for plugins, its in groups.items():
        number = set_of(connection, plugins)
        connection.execute(GIVE, {"set": number, "ids": its})
        found |= dict.fromkeys(its, number)
    return found
