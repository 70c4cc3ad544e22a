"""What can be asked of the tables of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, func

from statscache.plugins import CountModel, DurationModel, MeasureModel
from statscache.plugins.in_windows import WindowModel
from statscache.plugins.keyed import key_columns, person_of
from statscache.query.columns import EXACT, INTEGER
from statscache.query.figures import SECONDS, Figure, merged, people_of, quantile_of


@dataclass(frozen=True)
class Kind:
    """What can be asked of a table of windows.

    :param columns: the figures that each answer about several rows has, as the table has them
    :param offered: those that a reader can choose for a view, the usual one first
    :param leading: the name of that of `columns` by which one answer is greater than another
    """

    columns: tuple[Figure, ...] = ()
    offered: tuple[Figure, ...] = ()
    leading: str = ""

    @property
    def others(self) -> tuple[Figure, ...]:
        """The figures that an answer has only if it is asked for one of them."""
        names = [figure.name for figure in self.columns]
        return tuple(figure for figure in self.offered if figure.name not in names)

    def answered(self, values: Mapping[str, Any]) -> tuple[Figure, ...]:
        """Return what an answer about several rows has, by the values of the parameters."""
        asked = values.get("figure")
        return (*self.columns, *(figure for figure in self.others if figure.name == asked))

    def greatest(self, values: Mapping[str, Any]) -> Figure:
        """Return the figure whose greatest come first, by the values of the parameters."""
        name = values.get("figure", self.leading)
        return next(figure for figure in (*self.columns, *self.others) if figure.name == name)


def kind_of(model: Any) -> Kind:
    """Return what can be asked of a model's table; nothing where rows are no windows."""
    if not (isinstance(model, type) and issubclass(model, WindowModel)):
        return Kind()
    kind = _durations() if issubclass(model, DurationModel) else _kind_of(model)
    keys = key_columns(model)
    its, offered = (
        tuple(figure for figure in figures if figure.name not in keys)  # which a key has taken
        for figures in (kind.columns, kind.offered)
    )
    return Kind(its, offered, kind.leading)


def _kind_of(model: type[WindowModel]) -> Kind:
    """Return what can be asked of a table whose columns hold the figures."""
    columns = tuple(merged(model, name, merging) for name, merging in model.figures.items())
    if issubclass(model, MeasureModel):
        return Kind(columns, tuple(_measures(columns, model.unit)), model.leading)
    person = person_of(model) if issubclass(model, CountModel) else None
    people = (people_of(person),) if person else ()
    return Kind(columns, (*columns, *people), model.leading)


def _measures(columns: Sequence[Figure], unit: str) -> Sequence[Figure]:
    """Return the figures of a table of measures in the order in which a reader gets to see them."""
    its = {figure.name: figure for figure in columns}
    mean = Figure("mean", EXACT, "the mean of the values", _mean, False, False, unit=unit)
    return its["sum"], its["count"], mean, its["least"], its["greatest"]


def _mean(columns: Any) -> ColumnElement[Any]:
    return func.trim_scale(func.sum(columns["sum"]) / func.sum(columns["count"]), type_=Numeric())


def _durations() -> Kind:
    """Return what can be asked of a table of durations."""
    volume = Figure("volume", INTEGER, "how many ended", _ended("volume"))
    seconds = Figure(
        "seconds", INTEGER, "the sum of the durations in seconds", _ended("seconds"), unit=SECONDS
    )
    lacking = Figure("without_begin", INTEGER, "how many ended without a begin", _without_begin)
    about = "the mean of the durations in seconds"
    mean = Figure("mean", EXACT, about, _mean_length, False, False, False, SECONDS)
    median = quantile_of("median", "0.5", "the median of the durations in seconds, within 1 %")
    p90 = quantile_of("p90", "0.9", "what 90 % of the durations are at most, in seconds, within 1 %")
    return Kind((volume, seconds, lacking), (median, p90, mean, volume, lacking), volume.name)


def _ended(column: str) -> Any:
    """Return what sums a column of durations, and leaves ends without a begin out."""
    return lambda columns: func.coalesce(func.sum(columns[column]).filter(columns["bucket"] >= 0), 0)


def _without_begin(columns: Any) -> ColumnElement[Any]:
    return func.coalesce(func.sum(columns["volume"]).filter(columns["bucket"] < 0), 0)


def _mean_length(columns: Any) -> ColumnElement[Any]:
    ended = columns["bucket"] >= 0
    its = [func.sum(columns[name]).filter(ended) for name in ("seconds", "volume")]
    return func.trim_scale(its[0] / its[1], type_=Numeric())
