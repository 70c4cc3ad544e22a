"""What a request asks of a table.

An answer has one section or two. In each rows are ordered by keys that no two rows share, and a page is what comes
after a place or before it: an index finds that, so that any depth costs the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, select

from statscache.query.columns import Column
from statscache.query.cursors import Cursor
from statscache.query.errors import BadQuestion
from statscache.query.figures import Figure
from statscache.query.keyset import PREFIX, beyond, ordering
from statscache.query.kinds import TIME
from statscache.query.period_sums import sums_of_periods
from statscache.query.sections import PAGES, Form, Section, in_range, with_keys
from statscache.query.statements import RowSelection
from statscache.query.tables import Key, Served

#: How many rows a log's first page may have, which holds the newest of every category.
MOST_NEWEST = 1000


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


def question(served: Served, values: Mapping[str, Any], form: Form = PAGES) -> Question:
    """Return what a request asks by the values of its parameters.

    :raises BadQuestion: if the figure that it names is none of what it asks for
    """
    limit = min((values[name] for name in ("limit", "top") if name in values), default=None)
    together = "group" in values or "top" in values
    _check_figure(served, values, together or form.periods is not None)
    if form.periods is not None:
        columns, sections = sums_of_periods(served, values, form)
    elif together:
        columns, sections = _sums(served, values, form)
    else:
        columns, sections = served.columns, _rows(served, values, form)
    cursor = values.get("cursor") or Cursor("s")
    cursor = replace(cursor, section=min(cursor.section, len(sections) - 1))
    return Question(served, columns, sections, limit, values.get("page"), cursor)


def _check_figure(served: Served, values: Mapping[str, Any], together: bool) -> None:
    """Check that a figure which no row has is one of several rows, and of a key by which it can be told apart."""
    asked = next((its for its in served.kind.others if its.name == values.get("figure")), None)
    if asked is not None and not together:
        raise BadQuestion(
            "figure={figure} is one of several rows: give group, top or step, too", figure=asked.name
        )
    if asked is not None and asked.apart and values.get("group") == asked.apart:
        raise BadQuestion(
            "figure={figure} is not told apart by {by}: choose another", figure=asked.name, by=asked.apart
        )


def _rows(served: Served, values: Mapping[str, Any], form: Form) -> tuple[Section, ...]:
    descending = values.get("order", "desc") == "desc"
    keys = tuple(replace(key, descending=descending) for key in served.order)
    rows = _wanted(served, values, keys)
    if not (served.in_time and _is_split(values, form)):
        return _sections(served, values, rows, form)
    present = replace(rows, conditions=(*rows.conditions, _side(served.time, form, False)))
    ahead = replace(rows, conditions=(*rows.conditions, _side(served.time, form, True)))
    part, places = ahead.part, replace(ahead, columns=()).part
    last = Section(keys, form.size(values), part, places, rows.all)
    return (*_sections(served, values, present, form), last)


def _is_split(values: Mapping[str, Any], form: Form) -> bool:
    """Return whether what is dated ahead of the present comes last, as nobody asks for that time."""
    if form.end is None or values.get("order", "desc") != "desc" or "stop" in values:
        return False
    return "start" not in values or bool(values["start"] < form.end)


def _side(column: Any, form: Form, ahead: bool) -> Any:
    """Return the condition for what lies ahead of the present, or for what does not.

    :param column: that with the instants
    """
    assert form.end is not None
    end = form.end if getattr(column.type, "timezone", True) else form.end.replace(tzinfo=None)
    return column >= end if ahead else column < end


def _sections(
    served: Served, values: Mapping[str, Any], rows: RowSelection, form: Form
) -> tuple[Section, ...]:
    keys, size = rows.keys, form.size(values)
    descending = keys[0].descending
    whole = served.latest and not any(name in values for name in served.filters)
    if served.latest and rows.by is None and not (whole and not descending):
        rows = replace(rows, by=served.table.c.category)
    bare = replace(rows, columns=())
    if not (served.latest and descending) or form.whole:
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
    rows = RowSelection(served.table, served.columns, keys, tuple(in_range(served.time, values)))
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


def _sums(
    served: Served, values: Mapping[str, Any], form: Form
) -> tuple[tuple[Column, ...], tuple[Section, ...]]:
    """Return the columns and the section of figures by a column."""
    name = values.get("group", TIME)
    rows = served.rows([name] if name != TIME else [], with_keys(served, values))
    descending = values.get("order", "desc") == "desc"
    greatest, last = served.kind.greatest(values), served.column(name)
    in_time = name == TIME and "top" not in values
    by = Key(name, rows.c[name], last.kind, descending if name == TIME else not descending)
    size = Key(greatest.name, greatest.of_rows(rows.c), greatest.kind, descending)
    keys = (by,) if in_time else (size, by)
    conditions = in_range(rows.c[TIME], values)
    figures = tuple(
        each.column(each.of_rows(rows.c).label(each.name)) for each in served.kind.answered(values)
    )
    columns = (last, *figures)
    sums = Sums(columns, keys, in_time, tuple(conditions), None if in_time or greatest.sure else greatest)
    if not (in_time and _is_split(values, form)):
        return columns, (Section(keys, form.size(values), sums.part, sums.part, sums.all),)
    present, ahead = (
        replace(sums, conditions=(*conditions, _side(rows.c[TIME], form, ahead))) for ahead in (False, True)
    )
    return columns, tuple(
        Section(keys, form.size(values), its.part, its.part, all)
        for its, all in ((present, present.all), (ahead, sums.all))
    )


@dataclass(frozen=True)
class Sums:
    """Figures by a column, in an order.

    :param columns: the column, and the figures
    :param in_time: whether that is the windows, which are then in order of time
    :param conditions: which rows
    :param lacking: what they are ordered by, if some have none: these are left out
    """

    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    in_time: bool
    conditions: tuple[Any, ...]
    lacking: Figure | None = None

    def part(self, place: Cursor | None, backward: bool, count: int, skip: int) -> Select[Any]:
        """Return what selects `count` of the sums beyond the place, after `skip` others."""
        expressions = [key.expression for key in self.keys]
        ordered = [each.label(f"{PREFIX}{index}") for index, each in enumerate(expressions)]
        by = self.keys[-1].expression
        query = select(*(column.value(by.table.c) for column in self.columns), *ordered)
        query = self._sums(query)
        if place is not None:
            some = beyond(self.keys, place, backward)
            query = query.where(some) if self.in_time else query.having(some)
        return query.order_by(*ordering(expressions, self.keys, backward)).limit(count).offset(skip)

    def all(self) -> Select[Any]:
        """Return what selects something for each of the sums."""
        return self._sums(select(self.keys[-1].expression))

    def _sums(self, query: Select[Any]) -> Select[Any]:
        by = self.keys[-1].expression
        query = query.where(*self.conditions).group_by(by)
        return query if self.lacking is None else query.having(self.lacking.of_rows(by.table.c).is_not(None))
