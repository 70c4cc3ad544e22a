"""Letting plugins have counted nothing of some time, so that its messages count when they come again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, text

from statscache.span import Span
from statscache.store.coverage import uncover
from statscache.store.ledger import set_of
from statscache.store.verification import TIMES, ends

#: The sets with a plugin, and those without it.
SETS = text(
    "SELECT id, array_remove(plugins, :plugin) FROM statscache_plugin_set WHERE :plugin = ANY (plugins)"
)
#: The messages of some time that a plugin has, but for those that wait in the quarantine for it.
CHOSEN = f"""
WHERE its.plugin_set = :before AND {TIMES} @> its.timestamp AND NOT EXISTS (
    SELECT FROM statscache_quarantine AS kept WHERE kept.plugin = :plugin AND kept.msg_id = its.msg_id
)
"""
LESS = text(f"UPDATE statscache_ledger AS its SET plugin_set = :after {CHOSEN}")
FORGET = text(f"DELETE FROM statscache_ledger AS its {CHOSEN}")


def uncount(connection: Connection, plugins: Collection[str], spans: Iterable[Span]) -> None:
    """Let plugins have counted nothing of some time.

    :param connection: holds the lock of `statscache.database.lock.counting` alone
    """
    spans = list(spans)
    for plugin in plugins:
        for span in spans:
            uncover(connection, [plugin], span)
        for before, others in connection.execute(SETS, {"plugin": plugin}).all():
            given = {"plugin": plugin, "before": before, **ends(spans)}
            if others:
                after = set_of(connection, frozenset(others))
                connection.execute(LESS, {"after": after, **given})
            else:
                connection.execute(FORGET, given)
