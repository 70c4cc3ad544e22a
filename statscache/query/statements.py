"""The statements that read a part of an order of rows.

Where rows are wanted that have one of several values in a column, each value's are read by its index and then merged:
otherwise the database may look through a whole table for a rare one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Table, Text, cast, func, select, true, tuple_

from statscache.query.columns import Column
from statscache.query.cursors import Cursor
from statscache.query.keyset import PREFIX, beyond, ordering
from statscache.query.tables import Key

#: How many of each category are on a log's first page.
NEWEST = 8


@dataclass(frozen=True)
class RowSelection:
    """Rows of a table, in an order.

    :param conditions: which rows
    :param by: the column whose values are read one by one; None to read all rows at once
    :param values: those values; None for all that there are
    """

    table: Table
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    conditions: tuple[ColumnElement[bool], ...] = ()
    by: Any = None
    values: tuple[str, ...] | None = None

    def part(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return what selects `count` of the rows beyond the place, after `skip` others."""
        some = () if place is None else (beyond(self.keys, place, backward),)
        if self.by is None:
            values = [column.value(self.table.c) for column in self.columns]
            return (
                self._keys(some, backward)
                .with_only_columns(*values, *self._labels())
                .limit(count)
                .offset(skip)
            )
        driver = self._driver()
        inner = self._whole((*some, self.by == driver.c.value), backward).limit(count + skip)
        return self._merged(driver, inner, backward).limit(count).offset(skip)

    def all(self) -> Select[Any]:
        """Return what selects something for each of the rows."""
        some = () if self.values is None else (self.by.in_(self.values),)
        return select(self.keys[0].expression).where(*self.conditions, *some)

    def all_newest(self) -> Select[Any]:
        """Return the same for the newest rows with each value."""
        driver = self._driver()
        return self._merged(driver, self._whole((self.by == driver.c.value,), False).limit(NEWEST), False)

    def newest(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return the same of the newest rows with each value."""
        driver = self._driver()
        inner = self._whole((self.by == driver.c.value,), False).limit(NEWEST)
        merged = self._merged(driver, inner, backward)
        if place is not None:
            each = [_among(merged, index) for index in range(len(self.keys))]
            keys = [replace(key, expression=its) for key, its in zip(self.keys, each, strict=True)]
            merged = merged.where(beyond(keys, place, backward))
        return merged.limit(count).offset(skip)

    def others(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return the same of the rows that are not among the newest with their value."""
        driver = self._driver()
        last = (
            self._keys((self.by == driver.c.value,), False).offset(NEWEST - 1).limit(1).lateral("last_newest")
        )
        older = _beyond_row(self.keys, last)
        some = () if place is None else (beyond(self.keys, place, backward),)
        inner = self._whole((*some, self.by == driver.c.value, older), backward).limit(count + skip)
        both = driver.join(last, true())
        return self._merged(both, inner, backward).limit(count).offset(skip)

    def all_others(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return the same where all values are wanted: read in order, leaving the newest out by what they are."""
        newest = replace(self, columns=()).all_newest().subquery("newest")
        mine = tuple_(*(key.expression for key in self.keys))
        older = mine.not_in(select(*newest.c))
        at_once = replace(self, by=None, conditions=(*self.conditions, older))
        return at_once.part(place, backward, count, skip)

    def _keys(self, conditions: Sequence[ColumnElement[bool]], backward: bool) -> Select[Any]:
        """Return what selects the keys of rows, and no limit."""
        expressions = [key.expression for key in self.keys]
        query = select(*self._labels()).where(*self.conditions, *conditions)
        return query.order_by(*ordering(expressions, self.keys, backward))

    def _labels(self) -> list[Any]:
        return [key.expression.label(f"{PREFIX}{index}") for index, key in enumerate(self.keys)]

    def _whole(self, conditions: Sequence[ColumnElement[bool]], backward: bool) -> Select[Any]:
        """Return the same with the table's columns as they are, unless no columns are wanted."""
        query = self._keys(conditions, backward)
        return query.add_columns(*self.table.c) if self.columns else query

    def _merged(self, driver: FromClause, inner: Select[Any], backward: bool) -> Select[Any]:
        """Return what selects the columns and the keys of each value's rows together."""
        each = inner.lateral("each")
        keys = [each.c[f"{PREFIX}{index}"] for index in range(len(self.keys))]
        values = [column.value(each.c) for column in self.columns]
        query = select(*values, *keys).select_from(driver.join(each, true()))
        return query.order_by(*ordering(keys, self.keys, backward))

    def _driver(self) -> Any:
        """Return what gives the values, in a column `value`."""
        if self.values is not None:
            given = cast(list(self.values), ARRAY(Text))
            return select(func.unnest(given).label("value")).subquery("wanted")
        return _distinct(self.by)


def _among(query: Select[Any], index: int) -> Any:
    return query.selected_columns[f"{PREFIX}{index}"]


def _beyond_row(keys: Sequence[Key], row: FromClause) -> ColumnElement[bool]:
    """Return the condition for what comes after the row that a part of the statement gives."""
    left = tuple_(*(key.expression for key in keys))
    right = tuple_(*(row.c[f"{PREFIX}{index}"] for index in range(len(keys))))
    return left < right


def _distinct(column: Any) -> Any:
    """Return all values of a column that begins an index, found by skipping from one to the next."""
    table = column.table
    first = select(column.label("value")).order_by(column).limit(1).cte("found", recursive=True)
    other = table.alias("other")
    its = other.c[column.name]
    following = select(its).where(its > first.c.value).order_by(its).limit(1).scalar_subquery()
    found = first.union_all(select(following).where(first.c.value.is_not(None)))
    return select(found.c.value).where(found.c.value.is_not(None)).subquery("wanted")
