"""Making a gap again of what is not kept any more, at somebody's word."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Engine, text

from statscache.counting.notifications import tell_of_coverage
from statscache.database.lock import counting
from statscache.errors import StatscacheError
from statscache.hosting.loader import Part
from statscache.plugins.in_windows import tables_of
from statscache.span import Span, clipped
from statscache.store.coverage import uncover
from statscache.store.ledger import set_of
from statscache.store.not_kept import keep_again, not_kept
from statscache.store.verification import TIMES, ends
from statscache.upkeep.retention.windows import EVER

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
#: The windows of durations depend on events that are there still: they are counted again all at once.
NOTE = text(f"INSERT INTO statscache_removed (table_name, times, how) SELECT :table, {TIMES}, 'PRUNE'")


def restore(engine: Engine, part: Part, keep_from: int) -> list[Span]:
    """Let what is not kept of a plugin's table be kept again, and return what that is, oldest first.

    It is a gap then, which an archive fills; of durations it is as if somebody had removed it by hand, and
    `statscache backfill --rebuild` counts it again.

    :param keep_from: the second from which on it would not be dropped again at once
    :raises StatscacheError: if there is nothing
    """
    table = tables_of(part.plugin.model)[0].fullname if part.plugin.model is not None else ""
    with counting(engine, patient=True) as connection:
        gone = not_kept(connection, [table], EVER)[table]
        spans = clipped(gone, [Span(keep_from, EVER.stop)])
        if not spans:
            raise StatscacheError(_nothing(part.ident, gone))
        keep_again(connection, table, spans)
        plugins = writers(connection, table)
        if part.plugin.reach:
            connection.execute(NOTE, {"table": table, **ends(spans)})
        else:
            _make_gaps(connection, plugins, spans)
        tell_of_coverage(connection, plugins)
    return spans


def _nothing(ident: str, gone: Sequence[Span]) -> str:
    if gone:
        return f"all that is not kept of {ident} is older than statscache.keep says: let that be longer first"
    return f"all of {ident} is kept: there is nothing to restore"


def writers(connection: Connection, table: str) -> list[str]:
    """Return the plugins that write the figures of a table, also those that do not run."""
    found = text("SELECT ident FROM statscache_plugin WHERE tables[1] = :table ORDER BY ident")
    return list(connection.scalars(found, {"table": table}))


def _make_gaps(connection: Connection, plugins: Collection[str], spans: Sequence[Span]) -> None:
    """Let plugins have counted nothing of some time, so that its messages count when they come from an archive."""
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
