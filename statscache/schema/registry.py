"""The table that says which plugin fills which tables, for who asks with SQL."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Text, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.plugins import Base
from statscache.plugins.in_windows import tables_of
from statscache.schema.versions import note_earlier_versions
from statscache.store.coverage import want

log = logging.getLogger(__name__)

#: The plugins that have all rows which they need.
HAS_ROWS = text("SELECT ident FROM statscache_plugin JOIN statscache_coverage ON plugin = ident")


class PluginRow(Base):
    """A plugin that runs or has run."""

    __tablename__ = "statscache_plugin"
    __table_args__ = ({"comment": "The plugins that run or have run on this database"},)

    ident: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    summary: Mapped[str] = mapped_column(comment="what it tells, in a few words")
    tables: Mapped[list[str]] = mapped_column(
        ARRAY(Text), comment="the tables it writes, that of its figures first"
    )
    interval: Mapped[timedelta | None] = mapped_column(
        comment="the length of its windows; null if it has none"
    )
    reach: Mapped[timedelta | None] = mapped_column(
        comment="how long before a window's start messages still matter to it; null if none do"
    )
    first_start: Mapped[datetime] = mapped_column(comment="when it was first started")
    last_start: Mapped[datetime] = mapped_column(comment="when it was last started")
    version: Mapped[int | None] = mapped_column(
        comment="the version of it that was last started, which counts now; null for 1"
    )


def register(engine: Engine, parts: Iterable[Part], epoch: datetime | None) -> None:
    """Note that these plugins are started now, and from when on they want history.

    :param epoch: from when on there is to be history; None for from the first start of any plugin on this database
    """
    with counting(engine, patient=True) as connection:
        _register(connection, parts, epoch)


def register_again(engine: Engine, parts: Collection[Part], epoch: datetime | None) -> None:
    """Register those of the plugins whose rows are gone, as after a restore or somebody's DELETE.

    :param epoch: from when on there is to be history; None for from the first start of any plugin on this database
    """
    with engine.connect() as connection:
        there = set(connection.scalars(HAS_ROWS))
    gone = [part for part in parts if part.ident not in there]
    if gone:
        log.error(
            "%s: the rows in statscache_plugin or statscache_coverage are gone and are made anew; what was covered "
            "before is not known any more",
            ", ".join(sorted(part.ident for part in gone)),
        )
        register(engine, gone, epoch)


def _register(connection: Connection, parts: Iterable[Part], epoch: datetime | None) -> None:
    now = datetime.now(UTC)
    rows = {part: _row(part, now) for part in parts}
    recorded = select(PluginRow.ident, func.coalesce(PluginRow.version, 1))
    note_earlier_versions(connection, rows, dict(connection.execute(recorded).all()))
    statement = insert(PluginRow)
    names = ("summary", "tables", "interval", "reach", "last_start", "version")
    newer = {name: statement.excluded[name] for name in names}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["ident"], set_=newer), list(rows.values())
    )
    starts = dict(connection.execute(select(PluginRow.ident, PluginRow.first_start)).all())
    first = epoch or min(starts.values())
    want(connection, {part.ident: _since(part, first, starts[part.ident]) for part in rows})


def _since(part: Part, first: datetime, start: datetime) -> datetime:
    """Return from when on a plugin wants history: all there is, or some time before its own first start."""
    reach = part.plugin.backlog_delta
    return first if reach is None else max(first, start - reach)


def _row(part: Part, now: datetime) -> dict[str, Any]:
    plugin = part.plugin
    return {
        "ident": part.ident,
        "summary": plugin.summary.strip(),
        "tables": [table.fullname for table in tables_of(plugin.model)],
        "interval": plugin.interval,
        "reach": plugin.reach or None,
        "first_start": now,
        "last_start": now,
        "version": plugin.version,
    }
