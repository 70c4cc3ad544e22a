"""The disk that tables use, and how much more of it they will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from statscache.database.clock import began
from statscache.store.disk import TableOnDisk
from statscache.store.sample import Estimate


@dataclass(frozen=True)
class TableUse:
    """A table, how fast it grows, and what of it `statscache.keep` would free.

    :param growth: the rows of 30 days; None for a table that has no windows
    :param freed: the rows that are to be dropped; None for a table that is kept for ever
    """

    table: TableOnDisk
    growth: Estimate | None = None
    freed: Estimate | None = None

    @property
    def growth_bytes(self) -> float | None:
        """How many bytes it grows by in 30 days, at what a row takes now; None if that is not known."""
        return self._bytes(self.growth)

    @property
    def freed_bytes(self) -> float | None:
        """About how many bytes `statscache.keep` would free now; None if that is not known, or it frees nothing."""
        return self._bytes(self.freed)

    def _bytes(self, estimate: Estimate | None) -> float | None:
        rows = estimate.rows if estimate else None
        each = self.table.files.bytes_per_row if self.table.files else None
        if rows == 0:
            return 0.0
        return None if rows is None or each is None else rows * each


def transaction_time(connection: Connection) -> datetime:
    """Return when the transaction began, by the database's clock."""
    return datetime.fromtimestamp(began(connection), UTC)
