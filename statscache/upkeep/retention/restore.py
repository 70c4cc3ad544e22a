"""Making a gap again of what is not kept any more, at somebody's word."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from statscache.counting.notifications import tell_of_coverage
from statscache.database.lock import counting
from statscache.errors import StatscacheError
from statscache.hosting.loader import Part
from statscache.plugins.in_windows import tables_of
from statscache.span import Span, clipped
from statscache.store.not_kept import keep_again, not_kept
from statscache.store.uncounting import uncount
from statscache.store.verification import TIMES, ends
from statscache.upkeep.retention.windows import EVER

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
            uncount(connection, plugins, spans)
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
