"""Figures of periods, and of a key in each where one is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    Select,
    Subquery,
    all_,
    case,
    func,
    literal,
    select,
    true,
)

from statscache.database.arrays import column_of_numbers
from statscache.database.model import Instant
from statscache.query.columns import Column
from statscache.query.cursors import Cursor
from statscache.query.figures import Figure
from statscache.query.keyset import PREFIX, beyond, ordering, within
from statscache.query.kinds import TIME
from statscache.query.periods import Period
from statscache.query.places import inside, place_in
from statscache.query.sections import Form, Section, with_keys
from statscache.query.tables import Key, Served

ABOUT_START = "the period's start"
PLACE = "place"


def sums_of_periods(
    served: Served, values: Mapping[str, Any], form: Form
) -> tuple[tuple[Column, ...], tuple[Section, ...]]:
    """Return the columns and the section of figures of periods.

    Without a key to sum by, a period without a row is there, too, with the sums 0. It is not among the greatest of a
    figure that does not add up, as it has none. One that is not kept any more has no figure at all.
    """
    assert form.periods is not None
    name = values.get("group", TIME)
    key = None if name == TIME else served.column(name)
    conditions = tuple(with_keys(served, values))
    descending = values.get("order", "desc") == "desc"
    greatest = served.kind.greatest(values) if "top" in values else None
    figures = served.kind.answered(values)
    its = PeriodSums(served, form.periods, conditions, key, descending, figures, greatest, form.lost)
    return its.columns, (Section(its.keys, form.size(values), its.part, its.part, its.all),)


@dataclass(frozen=True)
class PeriodSums:
    """Sums of periods, in an order.

    :param periods: oldest first
    :param conditions: which rows are summed
    :param key: what is summed apart; None for nothing
    :param descending: whether the latest or the greatest come first
    :param figures: what each has
    :param greatest: the figure in whose order they are; None for the order of time
    :param lost: the places of the periods that are not kept any more
    """

    served: Served
    periods: Sequence[Period]
    conditions: tuple[Any, ...]
    key: Column | None
    descending: bool
    figures: Sequence[Figure]
    greatest: Figure | None
    lost: Collection[int] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """What an answer has of each sum; the values are those of `_Sources`."""
        time = self.served.column(TIME)
        start = Column(time.name, time.kind, time.value, ABOUT_START, False)
        figures = [each.column(None, self.key is not None) for each in self.figures]
        figures = [replace(its, nullable=True) for its in figures] if self.lost else figures
        return (start, *([self.key] if self.key else []), *figures)

    @property
    def keys(self) -> tuple[Key, ...]:
        """What they are ordered by."""
        return self._sources(False).keys(self)

    def part(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return what selects `count` of the sums beyond the place, after `skip` others."""
        its = self._sources(self.descending != backward)
        keys = its.keys(self)
        expressions = [key.expression for key in keys]
        ordered = [each.label(f"{PREFIX}{index}") for index, each in enumerate(expressions)]
        query = its.joined(select(*its.selected(self), *ordered), self)
        if place is not None:
            # The first condition, which says less, is for the database: it leaves periods out before they are summed.
            query = query.where(within(keys, place, backward), beyond(keys, place, backward))
        return query.order_by(*ordering(expressions, keys, backward)).limit(count).offset(skip)

    def all(self) -> Select[Any]:
        """Return what selects something for each of the sums."""
        its = self._sources(False)
        return its.joined(select(its.periods.c.timestamp), self)

    def _sources(self, newest_first: bool) -> _Sources:
        periods = _as_table(self.periods, newest_first)
        by = [] if self.key is None else [self.key.name]
        rows = self.served.rows(by, self.conditions)
        time, keys = rows.c[TIME], [rows.c[name] for name in by]
        figures = [each.of_rows(rows.c).label(each.name) for each in self.figures]
        query = select(*keys, *figures).select_from(rows).group_by(*keys)
        if self.served.kind.since_ever:
            # All rows have to be read for those of one period, so that they are read once for all periods.
            place = place_in(time, self.periods).label(PLACE)
            each = query.add_columns(place).group_by(place).where(*inside(time, self.periods))
            sums = each.subquery("sums")
            whole = periods.join(sums, sums.c[PLACE] == periods.c[PLACE], isouter=self.key is None)
            return _Sources(periods, sums, whole, self.lost)
        query = query.where(time >= periods.c[TIME], time < periods.c.stop)
        its = query.correlate(periods).lateral("sums")
        return _Sources(periods, its, periods.join(its, true()), self.lost)


def _as_table(periods: Sequence[Period], newest_first: bool) -> Subquery:
    """Return periods as a table of `timestamp`, where each begins, `stop`, and `place`, its number.

    It is in order, so that the database sums no more periods than a page has.
    """
    ends = (("start", [each.start for each in periods]), ("stop", [each.stop for each in periods]))
    numbers = *ends, (PLACE, range(len(periods)))
    seconds = select(*(column_of_numbers(each, BigInteger).label(name) for name, each in numbers)).subquery()
    start: Any = func.to_timestamp(seconds.c.start, type_=Instant()).label(TIME)
    stop: Any = func.to_timestamp(seconds.c.stop, type_=Instant()).label("stop")
    order = start.desc() if newest_first else start.asc()
    return select(start, stop, seconds.c[PLACE]).order_by(order).subquery("period")


@dataclass(frozen=True)
class _Sources:
    """What a statement about sums of periods reads.

    :param sums: those of one period, which an index on the time finds; of first times, those of all periods
    :param whole: both together
    """

    periods: Subquery
    sums: Any
    whole: FromClause
    lost: Collection[int] = ()

    def figure(self, figure: Figure) -> Any:
        its = figure.of_any_rows(self.sums.c[figure.name])
        return case((self._is_kept, its)) if self.lost else its

    @property
    def _is_kept(self) -> Any:
        return self.periods.c[PLACE] != all_(literal(list(self.lost), ARRAY(BigInteger)))

    def keys(self, its: PeriodSums) -> tuple[Key, ...]:
        time = its.served.column(TIME)
        keys = [Key(time.name, self.periods.c.timestamp, time.kind, its.descending)]
        if its.key is not None:
            keys.append(Key(its.key.name, self.sums.c[its.key.name], its.key.kind, not its.descending))
        if its.greatest is None:
            return tuple(keys)
        figure = its.greatest
        return (Key(figure.name, self.figure(figure), figure.kind, its.descending), *keys)

    def selected(self, its: PeriodSums) -> list[Any]:
        keys = [its.key.value(self.sums.c)] if its.key else []
        figures = [self.figure(each).label(each.name) for each in its.figures]
        return [self.periods.c.timestamp, *keys, *figures]

    def joined(self, query: Select[Any], its: PeriodSums) -> Select[Any]:
        query = query.select_from(self.whole)
        if its.greatest is not None and self.lost:
            query = query.where(self._is_kept)
        if its.greatest is None or its.greatest.zero:
            return query
        return query.where(self.sums.c[its.greatest.name].is_not(None))
