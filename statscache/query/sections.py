"""The sections of an answer: rows in an order, a part of which is read at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select

from statscache.query.cursors import Cursor
from statscache.query.parameters import ROWS
from statscache.query.periods import Period
from statscache.query.tables import Key, Served

#: How many rows an answer may have that is to be whole.
MOST_WHOLE = 10_000
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
class Form:
    """How an answer is to be given.

    :param whole: whether it is for somebody who does not turn pages
    :param end: what is dated so late comes last of what is newest; None for in its place
    :param periods: what is summed, oldest first; None unless a step is asked for
    :param lost: the places of the periods of which any time is not kept any more
    """

    whole: bool = False
    end: datetime | None = None
    periods: tuple[Period, ...] | None = None
    lost: frozenset[int] = frozenset()

    def size(self, values: Mapping[str, Any]) -> int:
        """Return how many rows a page has."""
        whole = self.whole and "page" not in values
        size: int = values.get("rows_per_page", MOST_WHOLE if whole else ROWS)
        return size


#: The form of an answer in pages, in which nothing comes last for its date.
PAGES = Form()


def in_range(column: Any, values: Mapping[str, Any]) -> list[Any]:
    """Return the conditions for the rows of the time that is asked for.

    :param column: that with their instants; None where no time can be asked for
    """
    conditions = []
    aware = getattr(getattr(column, "type", None), "timezone", True)
    for name in ("start", "stop"):
        if name in values:
            when = values[name] if aware else values[name].replace(tzinfo=None)
            conditions.append(column >= when if name == "start" else column < when)
    return conditions


def with_keys(served: Served, values: Mapping[str, Any]) -> list[Any]:
    """Return the conditions for the rows of the keys that are asked for."""
    return [
        served.table.c[column].in_(tuple(dict.fromkeys(values[name])))
        for name, column in served.filters.items()
        if name in values
    ]
