"""The figures of a table of windows, and what those of several rows come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, func

from statscache.plugins.in_windows import Merging, WindowModel
from statscache.query.columns import EXACT, CellType, Column, kind_of

MERGED: dict[Merging, Any] = {Merging.SUM: func.sum, Merging.LEAST: func.min, Merging.GREATEST: func.max}


@dataclass(frozen=True)
class Figure:
    """A figure of a table.

    :param about: what it is
    """

    name: str
    kind: CellType
    merging: Merging
    about: str

    @property
    def adds_up(self) -> bool:
        """Whether those of several rows are added, so that there is one of no rows, too: 0."""
        return self.merging is Merging.SUM

    def of_rows(self, columns: Any) -> ColumnElement[Any]:
        """Return what those of several rows come to; null for no rows."""
        merged: ColumnElement[Any] = MERGED[self.merging](columns[self.name])
        return func.trim_scale(merged, type_=Numeric()) if self.kind is EXACT else merged

    def of_any_rows(self, merged: Any) -> ColumnElement[Any]:
        """Return the figure, of which null is that of no rows."""
        return func.coalesce(merged, 0) if self.adds_up else merged

    def column(self, value: Any, always: bool = True) -> Column:
        """Return it as a column of an answer.

        :param value: what gives it
        :param always: whether each row of the answer is of some rows of the table
        """
        return Column(self.name, self.kind, lambda _: value, self.about, not (always or self.adds_up))


def figures_of(model: type[WindowModel]) -> tuple[Figure, ...]:
    """Return the figures of a table of windows."""
    columns = model.__table__.c
    return tuple(
        Figure(name, kind_of(columns[name].type), merging, columns[name].comment or "")
        for name, merging in model.figures.items()
    )


def leading_of(model: type[WindowModel], figures: Sequence[Figure], values: Mapping[str, Any]) -> Figure:
    """Return the figure whose greatest come first, by the values of the parameters."""
    name = values.get("figure", model.leading)
    return next(figure for figure in figures if figure.name == name)
