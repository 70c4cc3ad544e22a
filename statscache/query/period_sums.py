"""Volumes that are summed by period, and by a key where one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Select, Subquery, func, select, true

from statscache.database.arrays import column_of_numbers
from statscache.database.model import Instant
from statscache.query.columns import INTEGER, Column, column_of
from statscache.query.cursors import Cursor
from statscache.query.keyset import PREFIX, beyond, ordering, within
from statscache.query.periods import Period
from statscache.query.sections import Form, Section, with_keys
from statscache.query.tables import Key, Served

ABOUT_START = "the period's start"


def sums_of_periods(
    served: Served, values: Mapping[str, Any], form: Form
) -> tuple[tuple[Column, ...], tuple[Section, ...]]:
    """Return the columns and the section of volumes that are summed by period.

    Without a key to sum by, a period in which nothing was counted has the volume 0.
    """
    assert form.periods is not None
    name, descending = values.get("group", "timestamp"), values.get("order", "desc") == "desc"
    periods = _as_table(form.periods)
    sums = _each(served, values, periods, None if name == "timestamp" else name)
    time, *key = (column_of(served.table.c[each]) for each in dict.fromkeys(("timestamp", name)))
    total = func.coalesce(sums.c.volume, 0)
    keys = [Key("timestamp", periods.c.timestamp, time.kind, descending)]
    keys += [Key(each.name, sums.c[each.name], each.kind, not descending) for each in key]
    if "top" in values:
        keys.insert(0, Key("volume", total, INTEGER, descending))
    columns = (
        Column("timestamp", time.kind, time.value, ABOUT_START, False),
        *key,
        Column("volume", INTEGER, lambda columns: total.label("volume"), "how many messages", False),
    )
    selected = [time.value(periods.c), *(each.value(sums.c) for each in key), total.label("volume")]
    its = PeriodSums(periods, sums, tuple(selected), tuple(keys))
    return columns, (Section(its.keys, form.size(values), its.part, its.part, its.all),)


def _as_table(periods: Sequence[Period]) -> Subquery:
    """Return periods as a table of `timestamp`, where each begins, and `stop`."""
    ends = (("start", [each.start for each in periods]), ("stop", [each.stop for each in periods]))
    seconds = select(*(column_of_numbers(each, BigInteger).label(name) for name, each in ends)).subquery()
    start: Any = func.to_timestamp(seconds.c.start, type_=Instant())
    stop: Any = func.to_timestamp(seconds.c.stop, type_=Instant())
    return select(start.label("timestamp"), stop.label("stop")).subquery("period")


def _each(served: Served, values: Mapping[str, Any], periods: Subquery, by: str | None) -> Any:
    """Return the sums of each period, which an index on the time finds."""
    table = served.table
    inside = table.c.timestamp >= periods.c.timestamp, table.c.timestamp < periods.c.stop
    keys = [] if by is None else [table.c[by]]
    query = select(*keys, func.sum(table.c.volume).label("volume")).select_from(table)
    query = query.where(*inside, *with_keys(served, values)).group_by(*keys)
    return query.correlate(periods).lateral("sums")


@dataclass(frozen=True)
class PeriodSums:
    """Sums of periods, in an order.

    :param sums: those of one period
    :param selected: what an answer has of each
    """

    periods: Subquery
    sums: Any
    selected: tuple[Any, ...]
    keys: tuple[Key, ...]

    def part(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return what selects `count` of the sums beyond the place, after `skip` others."""
        expressions = [key.expression for key in self.keys]
        ordered = [each.label(f"{PREFIX}{index}") for index, each in enumerate(expressions)]
        query = self._joined(select(*self.selected, *ordered))
        if place is not None:
            # The first condition, which says less, is for the database: it leaves periods out before they are summed.
            query = query.where(within(self.keys, place, backward), beyond(self.keys, place, backward))
        return query.order_by(*ordering(expressions, self.keys, backward)).limit(count).offset(skip)

    def all(self) -> Select[Any]:
        """Return what selects something for each of the sums."""
        return self._joined(select(self.periods.c.timestamp))

    def _joined(self, query: Select[Any]) -> Select[Any]:
        return query.select_from(self.periods.join(self.sums, true()))
