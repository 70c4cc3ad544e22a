"""The disk that tables use, and how much more of it they will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from statscache.database.clock import began
from statscache.store.disk import TableOnDisk, tables_on_disk
from statscache.store.growth import Growth, growing_tables, growth_of


@dataclass(frozen=True)
class TableUse:
    """A table, and how fast it grows.

    :param growth: None for a table that has no windows
    """

    table: TableOnDisk
    growth: Growth | None = None

    @property
    def growth_bytes(self) -> float | None:
        """How many bytes it grows by in 30 days, at what a row takes now; None if that is not known."""
        rows = self.growth.rows if self.growth else None
        each = self.table.files.bytes_per_row if self.table.files else None
        if rows == 0:
            return 0.0
        return None if rows is None or each is None else rows * each


def disk_use(connection: Connection) -> list[TableUse]:
    """Return what each table uses, the largest first.

    :param connection: of a role that may read some of the tables; the growth of the others is not known
    :raises DBAPIError: if no daemon has run on the database yet
    """
    now = transaction_time(connection)
    tables = tables_on_disk(connection)
    growth = {each.oid: growth_of(connection, each, now) for each in growing_tables(connection, now)}
    return [TableUse(table, growth.get(table.oid)) for table in tables]


def transaction_time(connection: Connection) -> datetime:
    """Return when the transaction began, by the database's clock."""
    return datetime.fromtimestamp(began(connection), UTC)
