"""What can be asked of the tables of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Subquery, Table, func, select

from statscache.plugins import CountModel, DurationModel, FirstSeenModel, MeasureModel
from statscache.plugins.in_windows import WindowModel
from statscache.plugins.keyed import key_columns, person_of
from statscache.query.columns import EXACT, INTEGER
from statscache.query.figures import SECONDS, Figure, is_person, merged, new_of, people_of, quantile_of

#: The column with the instants of rows of which figures are taken.
TIME = "timestamp"


@dataclass(frozen=True)
class Kind:
    """What can be asked of a table of windows, or of first times.

    :param columns: the figures that each answer about several rows has, as the table has them
    :param offered: those that a reader can choose for a view, the usual one first
    :param leading: the name of that of `columns` by which one answer is greater than another
    :param whose: the keys whose first times count; none where rows are windows
    """

    columns: tuple[Figure, ...] = ()
    offered: tuple[Figure, ...] = ()
    leading: str = ""
    whose: tuple[str, ...] = ()

    @property
    def since_ever(self) -> bool:
        """Whether a figure comes of all time before it, too, as that of first times does."""
        return bool(self.whose)

    @property
    def time(self) -> str:
        """The column with the instants of the table's rows."""
        return "first" if self.since_ever else TIME

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

    def rows(self, table: Table, by: Sequence[str | None], conditions: Sequence[Any]) -> Subquery:
        """Return the rows of which figures are taken: each has its instant in `timestamp`, and keys.

        First times are those among the rows of the table that are wanted: of each person, under each key told apart.

        :param by: the keys that are told apart, among which None is none
        :param conditions: which rows of the table are wanted
        """
        if not self.since_ever:
            return select(table).where(*conditions).subquery("rows")
        names = dict.fromkeys([*self.whose, *(name for name in by if name is not None)])
        columns = [table.c[name] for name in names]
        people = [is_person(table.c[figure.apart]) for figure in self.columns if figure.apart]
        first = func.min(table.c[self.time]).label(TIME)
        return select(*columns, first).where(*people, *conditions).group_by(*columns).subquery("firsts")


def kind_of(model: Any) -> Kind:
    """Return what can be asked of a model's table; nothing where rows are neither windows nor first times."""
    if isinstance(model, type) and issubclass(model, FirstSeenModel):
        return _first_times(model)
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


def _first_times(model: type[FirstSeenModel]) -> Kind:
    """Return what can be asked of a table of first times."""
    keys, person = key_columns(model), person_of(model)
    new = new_of(person)
    if {new.name, TIME} & set(keys):
        return Kind()
    return Kind((new,), (new,), new.name, (person,) if person else tuple(keys))


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
