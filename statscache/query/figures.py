"""The figures of a table of windows, and what those of several rows come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    distinct,
    func,
    literal,
    not_,
    select,
)

from statscache.plugins.episodes import length_of
from statscache.plugins.in_windows import Merging
from statscache.query.columns import EXACT, INTEGER, NUMBER, CellType, Column, kind_of

#: What the values of a figure are measured in, where that is no unit of a plugin's own.
SECONDS = "s"
MERGED: dict[Merging, Any] = {Merging.SUM: func.sum, Merging.LEAST: func.min, Merging.GREATEST: func.max}
#: A value of a figure; None where there is none.
Number = int | float | Decimal

#: With room for all digits that sums of `numeric` have.
CONTEXT = Context(prec=1000)


class Function(NamedTuple):
    """A function of a table that gives a figure.

    :param suffix: how its name ends
    :param column: the column of its answer
    :param arguments: those after the range, as they are written
    :param by: whether it can tell keys apart
    """

    suffix: str
    column: str
    arguments: str = ""
    by: bool = True


@dataclass(frozen=True)
class Figure:
    """What several rows of a table come to.

    :param kind: what its values are in an answer
    :param about: what it is
    :param of_rows: gives it, from the columns of the rows, by name
    :param adds_up: whether that of several keys, or periods, is the sum of theirs
    :param zero: whether that of no rows is 0; else there is none
    :param sure: whether any rows have one
    :param unit: what its values are measured in, or `SECONDS`; empty for nothing
    :param apart: the key by which it is not told apart, empty for none
    :param function: what gives it to somebody in psql, None if there is none
    """

    name: str
    kind: CellType
    about: str
    of_rows: Callable[[Any], ColumnElement[Any]]
    adds_up: bool = True
    zero: bool = True
    sure: bool = True
    unit: str = ""
    apart: str = ""
    function: Function | None = None

    @property
    def nothing(self) -> int | None:
        """That of no rows."""
        return 0 if self.zero else None

    def of_any_rows(self, merged: Any) -> ColumnElement[Any]:
        """Return the figure, of which null is that of no rows."""
        return func.coalesce(merged, 0) if self.zero else merged

    def column(self, value: Any, always: bool = True) -> Column:
        """Return it as a column of an answer.

        :param value: what gives it
        :param always: whether each row of the answer is of some rows of the table
        """
        nullable = not (self.zero or (always and self.sure))
        return Column(self.name, self.kind, lambda _: value, self.about, nullable)

    def grouped(self, table: FromClause, groups: Sequence[Any], conditions: Sequence[Any]) -> Select[Any]:
        """Return what selects it of each group of rows, after what tells the groups apart.

        :param groups: expressions with a label
        """
        query = select(*groups, self.of_rows(table.c).label(self.name)).select_from(table)
        return query.where(*conditions).group_by(*groups)

    def number(self, value: Any) -> Number | None:
        """Return a value that the database has given."""
        if value is None:
            return self.nothing
        its: Number = int(value) if self.kind is INTEGER else value
        return its

    def total(self, values: Iterable[Any]) -> Number:
        """Return the sum of values of a figure that adds up, to the last digit."""
        return sum(values) if self.kind is INTEGER else reduce(CONTEXT.add, values, Decimal(0))


@dataclass(frozen=True)
class People(Figure):
    """How many different people there are, without bots."""

    def grouped(self, table: FromClause, groups: Sequence[Any], conditions: Sequence[Any]) -> Select[Any]:
        """Return the same, which asks about each person once: OFFSET keeps that from being asked of each row."""
        person = table.c[self.apart].label("person")
        seen = select(*groups, person).where(*conditions).distinct().cte("seen")
        each = select(seen.c.person).distinct().offset(0).subquery("each")
        people = select(each.c.person).where(is_person(each.c.person)).cte("people")
        its = [seen.c[group.name] for group in groups]
        query = select(*its, func.count().label(self.name))
        return query.join_from(seen, people, seen.c.person == people.c.person).group_by(*its)


def people_of(person: str) -> People:
    """Return how many different people there are.

    :param person: the key that names a person
    """

    def of_rows(columns: Any) -> ColumnElement[Any]:
        return func.count(distinct(columns[person])).filter(is_person(columns[person]))

    about, function = "how many different people, without bots", Function("distinct", "people")
    return People("people", INTEGER, about, of_rows, adds_up=False, apart=person, function=function)


def is_person(name: Any) -> ColumnElement[bool]:
    """Return whether an account is no bot."""
    return not_(func.statscache_is_bot(name))


def new_of(person: str | None) -> Figure:
    """Return how many were seen for the first time ever, of rows that are first times.

    :param person: the key that names a person, None if none does
    """
    who = "people, without bots, did so" if person else "were seen"
    about, function = f"how many {who} for the first time ever", Function("new", "new", by=False)
    return Figure("new", INTEGER, about, _count, person is None, apart=person or "", function=function)


def _count(columns: Any) -> ColumnElement[Any]:
    return func.count()


@dataclass(frozen=True)
class Quantile(Figure):
    """The length at a rank among durations, within 1 %."""

    def grouped(self, table: FromClause, groups: Sequence[Any], conditions: Sequence[Any]) -> Select[Any]:
        """Return the same, which takes the rows of each bucket together first."""
        bucket, volume = table.c.bucket, func.sum(table.c.volume).label("volume")
        rows = select(*groups, bucket, volume).where(*conditions, bucket >= 0).group_by(*groups, bucket)
        few = rows.subquery("bucket")
        its = [few.c[group.name] for group in groups]
        return select(*its, self.of_rows(few.c).label(self.name)).group_by(*its)


def quantile_of(name: str, q: str, about: str) -> Quantile:
    """Return the length of the rank ceil(q·n) among n durations, as the function ``<table>_quantile`` gives it."""
    rank = Decimal(q)

    def of_rows(columns: Any) -> ColumnElement[Any]:
        its = [
            func.array_agg(each).filter(columns["bucket"] >= 0)
            for each in (columns["bucket"], columns["volume"])
        ]
        rows = func.unnest(*its).table_valued("bucket", "volume").render_derived()
        reached = func.sum(rows.c.volume).over(order_by=rows.c.bucket).label("reached")
        whole = func.sum(rows.c.volume).over().label("whole")
        running = select(rows.c.bucket, reached, whole).subquery("running")
        enough = running.c.reached >= func.ceil(literal(rank, Numeric) * running.c.whole)
        return select(length_of(func.min(running.c.bucket))).where(enough).scalar_subquery()

    function = Function("quantile", "seconds", f"{q}, ")
    return Quantile(name, NUMBER, about, of_rows, False, False, False, SECONDS, function=function)


def merged(model: Any, name: str, merging: Merging) -> Figure:
    """Return the figure that a column holds."""
    column = model.__table__.c[name]
    kind, adds_up = kind_of(column.type), merging is Merging.SUM

    def of_rows(columns: Any) -> ColumnElement[Any]:
        its: ColumnElement[Any] = MERGED[merging](columns[name])
        return func.trim_scale(its, type_=Numeric()) if kind is EXACT else its

    unit = getattr(model, "unit", "") if kind is EXACT else ""
    return Figure(name, kind, column.comment or "", of_rows, adds_up, adds_up, unit=unit)
