"""Which time of tables is not kept any more: their rows were dropped, as a coarser table has them or somebody said so.

It is apart from coverage, and subtracted where that is read: it is neither complete nor a gap, and nobody fills it.
Only who holds the lock of `statscache.database.lock.counting` alone adds to it, so whoever holds that shared can rely
on it until the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal_column, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.relations import is_there
from statscache.plugins import Base
from statscache.span import Span
from statscache.store.verification import TIMES, ends


class NotKeptRow(Base):
    """What is not kept of a table any more."""

    __tablename__ = "statscache_not_kept"
    __table_args__ = (
        {
            "comment": "Which windows of each table were dropped, as statscache.keep says, and are never written again"
        },
    )

    table_name: Mapped[str] = mapped_column(primary_key=True, comment="the table")
    times: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE, comment="the windows that are not kept any more, which are whole ones"
    )
    noted: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when this was last written"
    )


#: The second before which all lies that is not kept of any table; null where all is kept.
BEFORE = "(SELECT ceil(extract(epoch FROM max(upper(times))))::bigint FROM statscache_not_kept)"
#: The bus time of which a plugin needs no message, as all windows for which it matters are not kept. What lies just
#: before a window that is kept still matters to that if the plugin reaches so far.
NOT_NEEDED = """coalesce((
    SELECT range_agg(tstzrange(lower(part), upper(part) - coalesce(its.reach, interval '0 seconds')))
    FROM statscache_plugin AS its JOIN statscache_not_kept ON table_name = its.tables[1], unnest(times) AS part
    WHERE its.ident = {plugin} AND lower(part) < upper(part) - coalesce(its.reach, interval '0 seconds')
), '{{}}')"""
PARTS = text("""
SELECT table_name, extract(epoch FROM lower(part))::bigint, extract(epoch FROM upper(part))::bigint
FROM statscache_not_kept,
    unnest(times * tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))) AS part
WHERE table_name = ANY (:tables) ORDER BY part
""")
#: Up to when any of some plugins has counted, or up to now if that is earlier: a clock that is ahead drops nothing.
COUNTED = text("""
SELECT floor(extract(epoch FROM least(max(upper(covered)), now())))::bigint
FROM statscache_coverage WHERE plugin = ANY (:plugins)
""")
ADD = text(f"""
INSERT INTO statscache_not_kept AS known (table_name, times) VALUES (:table, {TIMES})
ON CONFLICT (table_name) DO UPDATE SET times = known.times + excluded.times, noted = clock_timestamp()
WHERE NOT known.times @> excluded.times
""")
TAKE_OUT = text(f"""
UPDATE statscache_not_kept SET times = times - {TIMES}, noted = clock_timestamp() WHERE table_name = :table
""")
FORGET = text("DELETE FROM statscache_not_kept WHERE isempty(times)")


def not_needed(plugin: str) -> Any:
    """Return the bus time of which a plugin needs no message, as a multirange.

    :param plugin: the column that has its identifier, as SQL names it
    """
    return literal_column(NOT_NEEDED.format(plugin=plugin), TSTZMULTIRANGE)


def not_kept(connection: Connection, tables: Collection[str], span: Span) -> dict[str, list[Span]]:
    """Return what of a span is not kept of each of some tables any more, oldest first.

    For who may read a database on which only a daemon of an earlier version has run: that keeps all.
    """
    found: dict[str, list[Span]] = {table: [] for table in tables}
    if is_there(connection, NotKeptRow.__tablename__):
        given = {"tables": list(tables), "start": span.start, "stop": span.stop}
        for table, start, stop in connection.execute(PARTS, given):
            found[table].append(Span(start, stop))
    return found


def counted_until(connection: Connection, plugins: Collection[str]) -> int | None:
    """Return the second since 1970 up to which any of some plugins has counted, from which on age counts back."""
    counted: int | None = connection.scalar(COUNTED, {"plugins": list(plugins)})
    return counted


def drop(connection: Connection, table: str, *spans: Span) -> None:
    """Note that windows of a table are not kept any more. The caller deletes their rows in the same transaction.

    :param connection: holds the lock alone
    """
    connection.execute(ADD, {"table": table, **ends(spans)})


def keep_again(connection: Connection, table: str, spans: Iterable[Span]) -> None:
    """Note that windows of a table are to be kept, which then lack all messages.

    :param connection: holds the lock alone
    """
    connection.execute(TAKE_OUT, {"table": table, **ends(spans)})
    connection.execute(FORGET)
