"""What `statscache status --disk` shows: how large the tables are, how fast they grow, and what `keep` would free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table

from statscache.cli.listing import Listing
from statscache.cli.terminal import console, show_listing, size_of
from statscache.database.engine import open_database
from statscache.errors import number_of
from statscache.health.status import spooled
from statscache.hosting.loader import Part
from statscache.settings import Settings
from statscache.store.disk import database_bytes, total
from statscache.store.disk_use import TableUse, transaction_time
from statscache.store.growth import month_before
from statscache.store.sample import Estimate
from statscache.upkeep.disk import disk_use
from statscache.upkeep.retention.tables import retained

TITLES = (
    "table",
    "partitions",
    "about rows",
    "heap",
    "indexes",
    "toast",
    "size",
    "in 30 days",
    "keep would free",
    "remark",
)
FREED = TITLES[-2]
#: What gives way in a narrow terminal.
OPTIONAL = ("toast", "heap", "indexes", "partitions", "about rows")


@dataclass(frozen=True)
class Disk:
    """What is on disk.

    :param spool: how many bytes the spools on this machine hold; None where this user cannot see that
    :param month: the 30 days by which the growth was measured
    """

    database: int
    spool: float | None
    spool_limit: int
    month: tuple[datetime, datetime]
    tables: Sequence[TableUse]

    def as_json(self) -> dict[str, Any]:
        """Return all of it, fit for JSON."""
        return {
            "database_bytes": self.database,
            "tables_bytes": total([its.table for its in self.tables]),
            "growth_bytes": growth(self.tables),
            "spool_bytes": self.spool,
            "spool_limit_bytes": self.spool_limit,
            "keep_would_free_bytes": freed(self.tables),
            "growth_since": self.month[0],
            "growth_until": self.month[1],
            "tables": [_as_json(its) for its in self.tables],
        }


def look_at_disk(settings: Settings, parts: Iterable[Part]) -> Disk:
    """Ask the database how large its tables are, and look at the spools.

    :param parts: the plugins that should run, of whose tables it is asked what is to be dropped
    :raises DBAPIError: if no daemon has run on the database yet
    """
    engine = open_database(settings)
    try:
        with engine.connect() as connection:
            tables = disk_use(connection, retained(parts, settings.keep))
            month = month_before(transaction_time(connection))
            return Disk(database_bytes(connection), spooled(settings), settings.spool_limit, month, tables)
    finally:
        engine.dispose()


def growth(tables: Sequence[TableUse]) -> float:
    """Return by how many bytes tables grow in 30 days, as far as that is known."""
    return sum(its.growth_bytes or 0.0 for its in tables)


def freed(tables: Sequence[TableUse]) -> float:
    """Return how many bytes `statscache.keep` would free, as far as that is known."""
    return sum(its.freed_bytes or 0.0 for its in tables)


def show_disk(disk: Disk) -> None:
    """Print it."""
    terminal = console()
    facts = Table.grid(padding=(0, 2))
    tables = total([its.table for its in disk.tables])
    facts.add_row("database", f"{size_of(disk.database)}, {size_of(tables)} of it in these tables")
    facts.add_row("growth", f"about {size_of(growth(disk.tables))} in 30 days")
    if frees := freed(disk.tables):
        facts.add_row("keep", f"would free about {size_of(frees)} in {_where(disk.tables)}")
    limit = size_of(disk.spool_limit)
    known = "not known" if disk.spool is None else size_of(disk.spool)
    facts.add_row("spool", f"{known}, up to {limit} for each daemon")
    terminal.print(facts)
    terminal.print()
    rows = [_cells(its) for its in disk.tables]
    off = () if any(row[TITLES.index(FREED)] for row in rows) else (FREED,)
    titles = [title for title in TITLES if title not in off]
    cells = [[its for title, its in zip(TITLES, row, strict=True) if title not in off] for row in rows]
    show_listing(terminal, Listing(titles, cells, prose="remark", right=TITLES[1:-1], optional=OPTIONAL))


def _where(tables: Sequence[TableUse]) -> str:
    return number_of(sum(bool(its.freed_bytes) for its in tables), "table")


def _cells(its: TableUse) -> list[str]:
    files = its.table.files
    return [
        its.table.name,
        str(its.table.partitions or ""),
        *([str(files.rows), *map(size_of, files[:3]), size_of(files.bytes)] if files else [""] * 5),
        "" if its.growth_bytes is None else _least(its.growth) + size_of(its.growth_bytes),
        (_least(its.freed) or "about ") + size_of(its.freed_bytes) if its.freed_bytes else "",
        _remark(its),
    ]


def _least(estimate: Estimate | None) -> str:
    return "over " if estimate and estimate.least else ""


def _remark(its: TableUse) -> str:
    if its.table.files is None:
        return "somebody holds it alone, so its size is not known"
    unknown: dict[str, list[str]] = {}
    for name, estimate in (("growth", its.growth), ("what keep would free", its.freed)):
        if estimate and estimate.reason:
            unknown.setdefault(estimate.reason, []).append(name)
    return "; ".join(f"{' and '.join(names)} not known: {reason}" for reason, names in unknown.items())


def _as_json(its: TableUse) -> dict[str, Any]:
    files, growth = its.table.files, its.growth
    return {
        "table": its.table.name,
        "partitions": its.table.partitions,
        "rows": files and files.rows,
        "heap_bytes": files and files.heap,
        "index_bytes": files and files.indexes,
        "toast_bytes": files and files.toast,
        "bytes": files and files.bytes,
        "growth_rows": growth and growth.rows,
        "growth_bytes": its.growth_bytes,
        "growth_at_least": bool(growth and growth.least),
        "growth_share": growth.share if growth and growth.rows is not None else None,
        "keep_would_free_rows": its.freed and its.freed.rows,
        "keep_would_free_bytes": its.freed_bytes,
        "keep_would_free_at_least": bool(its.freed and its.freed.least),
        "remark": _remark(its),
    }
