"""How a daemon's tables are at present, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from statscache.hosting.suspensions import SuspensionRow

FRESHNESS = text("""
SELECT table_name, complete_through,
    (SELECT upper(span) FROM unnest(complete) AS span WHERE span @> history_from) AS since_ever,
    last_flush, quarantined, now()
FROM statscache_freshness
""")


@dataclass(frozen=True)
class Freshness:
    """How new a table is.

    :param through: up to when it is complete; None if it is not anywhere
    :param since_ever: up to when all of its time is; None if not even the beginning is
    :param flushed: when it was last written, or found to have nothing to write
    """

    through: datetime | None
    since_ever: datetime | None
    flushed: datetime
    quarantined: int


@dataclass(frozen=True)
class Condition:
    """How all tables are.

    :param now: by the database's clock
    :param suspended: why each plugin that is left alone is
    """

    now: datetime | None = None
    tables: Mapping[str, Freshness] = field(default_factory=dict)
    suspended: Mapping[str, str] = field(default_factory=dict)

    @property
    def flushed(self) -> datetime | None:
        """When anything was last written."""
        return max((each.flushed for each in self.tables.values()), default=None)

    @property
    def silence(self) -> float:
        """How many seconds ago that was; 0 if nothing ever was."""
        if self.now is None or self.flushed is None:
            return 0.0
        return (self.now - self.flushed).total_seconds()


def read_condition(connection: Connection) -> Condition:
    """Return how the tables are."""
    rows = connection.execute(FRESHNESS).all()
    lasts = SuspensionRow.until > func.greatest(func.now(), SuspensionRow.since)
    suspended = connection.execute(select(SuspensionRow.plugin, SuspensionRow.reason).where(lasts))
    tables = {name: Freshness(*its) for name, *its, _ in rows}
    return Condition(rows[0][-1] if rows else None, tables, dict(suspended.all()))
