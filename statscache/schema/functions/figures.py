"""The figures of a table with windows, as SQL takes those of several rows together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from statscache.plugins.in_windows import Merging, WindowModel
from statscache.schema.objects import quoted

BIGINT, NUMERIC = "bigint", "numeric"


class Figure(NamedTuple):
    """A figure of an answer.

    :param kind: its type
    :param of_rows: what gives it of rows `r`
    :param adds_up: whether it is 0 where there are no rows, and not null
    """

    kind: str
    of_rows: str
    adds_up: bool = True

    def of_any_rows(self, merged: str) -> str:
        """Return the figure, of which null is that of no rows."""
        return f"coalesce({merged}, 0)" if self.adds_up else merged


Figures = Mapping[str, Figure]
VOLUME: Figures = {"volume": Figure(BIGINT, "CAST (sum(r.volume) AS bigint)")}


def figures_of(model: type[WindowModel]) -> Figures:
    """Return the figures of a table, by column."""
    whole = [column.name for column in model.__table__.columns if column.type.python_type is int]
    return {name: _figure(name, merging, name in whole) for name, merging in model.figures.items()}


def _figure(name: str, merging: Merging, whole: bool) -> Figure:
    merged = f"{merging.value}(r.{quoted(name)})"
    exact = f"CAST ({merged} AS bigint)" if whole else f"trim_scale({merged})"
    return Figure(BIGINT if whole else NUMERIC, exact, merging is Merging.SUM)
