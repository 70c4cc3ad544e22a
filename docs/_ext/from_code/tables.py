"""The tables that statscache keeps for itself."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from from_code.markdown import MarkdownDirective, marked
from statscache.cli import main
from statscache.plugins import Base

#: Importing the commands declares all of statscache's own tables.
DECLARED_BY = main
PREFIX = "statscache_"


class Tables(MarkdownDirective):
    """Each table of statscache's own with its comment, its primary key and its other columns."""

    def lines(self) -> Iterator[str]:
        """Yield the table of tables."""
        own = [its for its in Base.metadata.sorted_tables if its.name.startswith(PREFIX)]
        rows = map(_row, sorted(own, key=lambda its: its.name))
        return self.table(("table", "what it holds", "primary key", "other columns"), rows)


def _row(its: Table) -> tuple[str, ...]:
    others = [column.name for column in its.columns if not column.primary_key]
    return (
        f"`{its.name}`",
        marked(its.comment or ""),
        _listed(its.primary_key.columns.keys()),
        _listed(others),
    )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
