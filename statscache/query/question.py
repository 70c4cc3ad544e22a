"""What a request asks of a table.

An answer has one section or two. In each rows are ordered by keys that no two rows share, and a page is what comes
after a place or before it: an index finds that, so that any depth costs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, func, select

from statscache.query.columns import INTEGER, Column, column_of
from statscache.query.cursors import Cursor
from statscache.query.keyset import PREFIX, beyond, ordering
from statscache.query.parameters import ROWS
from statscache.query.statements import RowSelection
from statscache.query.tables import Key, Served

#: How many rows a log's first page may have, which holds the newest of every category.
MOST_NEWEST = 1000
#: Takes a place (None for the section's start, or its end where backward), whether to go backward, how many rows are
#: wanted, and how many to skip before them.
SelectPart = Callable[[Cursor | None, bool, int, int], Select[Any]]


@dataclass(frozen=True)
class Section:
    """Rows in an order.

    :param size: how many there are on a page
    :param part: gives the statement for some of them
    :param places: gives the statement for what alone they are ordered by
    :param all: gives the statement for all of them and of the sections before, in no order, to be counted
    """

    keys: tuple[Key, ...]
    size: int
    part: SelectPart
    places: SelectPart
    all: Callable[[], Select[Any]]


@dataclass(frozen=True)
class Question:
    """What a request asks.

    :param limit: how many rows in all, None for all
    :param page: which page; None if the request does not say
    """

    served: Served
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    limit: int | None
    page: int | None
    cursor: Cursor


def question(served: Served, values: Mapping[str, Any]) -> Question:
    """Return what a request asks by the values of its parameters."""
    limit = min((values[name] for name in ("limit", "top") if name in values), default=None)
    if "group" in values or "top" in values:
        columns, sections = _sums(served, values)
    else:
        columns, sections = served.columns, _rows(served, values)
    cursor = values.get("cursor") or Cursor("s")
    cursor = replace(cursor, section=min(cursor.section, len(sections) - 1))
    return Question(served, columns, sections, limit, values.get("page"), cursor)


def _rows(served: Served, values: Mapping[str, Any]) -> tuple[Section, ...]:
    descending = values.get("order", "desc") == "desc"
    keys = tuple(replace(key, descending=descending) for key in served.order)
    size = values.get("rows_per_page", ROWS)
    rows = _wanted(served, values, keys)
    whole = served.latest and not any(name in values for name in served.filters)
    if served.latest and rows.by is None and not (whole and not descending):
        rows = replace(rows, by=served.table.c.category)
    bare = replace(rows, columns=())
    if not (served.latest and descending):
        return (Section(keys, size, rows.part, bare.part, rows.all),)
    newest = values.get("rows_per_page", MOST_NEWEST)
    others, places = (rows.all_others, bare.all_others) if whole else (rows.others, bare.others)
    return (
        Section(keys, newest, rows.newest, bare.newest, bare.all_newest),
        Section(keys, size, others, places, rows.all),
    )


def _wanted(served: Served, values: Mapping[str, Any], keys: tuple[Key, ...]) -> RowSelection:
    """Return the rows that the filters leave.

    The first filter with several values says how they are read; in a log it is always the category.
    """
    rows = RowSelection(served.table, served.columns, keys, tuple(_range(served, values)))
    for name, column in served.filters.items():
        if name not in values:
            continue
        wanted, its = tuple(dict.fromkeys(values[name])), served.table.c[column]
        one_by_one = column == "category" if served.latest else len(wanted) > 1
        if rows.by is None and one_by_one:
            rows = replace(rows, by=its, values=wanted)
        else:
            condition = its == wanted[0] if len(wanted) == 1 else its.in_(wanted)
            rows = replace(rows, conditions=(*rows.conditions, condition))
    return rows


def _range(served: Served, values: Mapping[str, Any]) -> list[Any]:
    conditions = []
    aware = getattr(served.table.c.timestamp.type, "timezone", True) if served.timed else True
    for name in ("start", "stop"):
        if name in values:
            when = values[name] if aware else values[name].replace(tzinfo=None)
            column = served.table.c.timestamp
            conditions.append(column >= when if name == "start" else column < when)
    return conditions


def _sums(served: Served, values: Mapping[str, Any]) -> tuple[tuple[Column, ...], tuple[Section, ...]]:
    """Return the columns and the section of volumes that are summed by a column."""
    table, name = served.table, values.get("group", "timestamp")
    descending = values.get("order", "desc") == "desc"
    column, total = table.c[name], func.sum(table.c.volume)
    in_time = name == "timestamp" and "top" not in values
    last = next(column_of(its) for its in table.columns if its.name == name)
    by = Key(name, column, last.kind, descending if name == "timestamp" else not descending)
    keys = (by,) if in_time else (Key("volume", total, INTEGER, descending), by)
    conditions = _range(served, values)
    for parameter, its in served.filters.items():
        if parameter in values:
            conditions.append(table.c[its].in_(tuple(dict.fromkeys(values[parameter]))))
    expressions = [key.expression for key in keys]
    ordered = [each.label(f"{PREFIX}{index}") for index, each in enumerate(expressions)]

    def part(place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        query = (
            select(last.value(table.c), total.label("volume"), *ordered).where(*conditions).group_by(column)
        )
        if place is not None and in_time:
            query = query.where(beyond(keys, place, backward))
        elif place is not None:
            query = query.having(beyond(keys, place, backward))
        return query.order_by(*ordering(expressions, keys, backward)).limit(count).offset(skip)

    columns = (
        last,
        Column("volume", INTEGER, lambda columns: total.label("volume"), "how many messages", False),
    )

    def all() -> Select[Any]:
        return select(column).where(*conditions).group_by(column)

    return columns, (Section(keys, values.get("rows_per_page", ROWS), part, part, all),)
