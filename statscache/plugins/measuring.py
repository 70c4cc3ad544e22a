"""Plugins that measure: keep how many values there are under these keys in this window, their sum and their ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ColumnElement, Insert, Numeric, func
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.decimals import in_billionths, written
from statscache.plugins.in_windows import Merging, WindowModel, WindowPlugin, model_in_windows, upsert_windows
from statscache.plugins.keys import check_keys

#: The columns of a measure that hold values, and what they are.
MEASURES = {"sum": "the sum of the values", "least": "the least value", "greatest": "the greatest value"}


class MeasureModel(WindowModel):
    """Values per window, and per key where a subclass adds key columns to the primary key.

    The columns are `timestamp`, the start of the window (`timestamptz`), the keys (`text`), `count`, how many values
    (`bigint`), and `sum`, `least` and `greatest` (`numeric`, exact). `measuring_model` makes subclasses.
    """

    __abstract__ = True

    figures: ClassVar[Mapping[str, Merging]] = {
        "count": Merging.SUM,
        "sum": Merging.SUM,
        "least": Merging.LEAST,
        "greatest": Merging.GREATEST,
    }
    leading: ClassVar[str] = "sum"
    #: What one of the values is; empty where it has no unit.
    unit: ClassVar[str] = ""

    count: Mapped[int] = mapped_column(sort_order=1, comment="how many values")
    sum: Mapped[Decimal] = mapped_column(Numeric, sort_order=2, comment=MEASURES["sum"])
    least: Mapped[Decimal] = mapped_column(Numeric, sort_order=3, comment=MEASURES["least"])
    greatest: Mapped[Decimal] = mapped_column(Numeric, sort_order=4, comment=MEASURES["greatest"])


def measuring_model(
    table: str, comment: str, person: str | None = None, unit: str = "", **keys: str
) -> type[MeasureModel]:
    """Make the model of a measuring plugin.

    Its primary key is the window's start and the keys. For questions about one key over time there is an
    index on each key and the window.

    :param table: the table's name
    :param comment: the table's comment
    :param person: the key that names a person, by the account
    :param unit: what one of the values is, in the plural, as in ``bytes``; the comments of the columns name it
    :param keys: a comment for each key column, by the column's name, in the order in which `MeasuringPlugin.measure`
        takes the keys
    :return: a mapped class, for the `model` of one plugin
    :raises ValueError: if `person` is none of the keys, or a key has the name of another column
    """
    columns = {
        name: mapped_column(
            Numeric, nullable=False, sort_order=place, comment=f"{about}, in {unit}" if unit else about
        )
        for place, (name, about) in enumerate(MEASURES.items(), start=2)
    }
    return model_in_windows(MeasureModel, table, comment, person, keys, {"unit": unit, **columns})


class MeasuringPlugin(WindowPlugin):
    """A plugin whose `process` calls `measure`. Its `model` comes from `measuring_model`, its `interval` is set.

    It needs no `update` of its own.

    :raises ValueError: if there is no schedule, so no windows
    """

    taking: ClassVar[tuple[str, ...]] = ("measure",)

    def measure(self, message: Message, value: int | float | Decimal, *keys: str) -> None:
        """Take in a value under these keys, in the window that the message was sent in. For `process`.

        :param value: a number of at most 38 digits, at most 9 of them after the point; a float counts as the decimal
            that `repr` writes
        :param keys: as many as the model has key columns, in their order
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if a key is not a text that PostgreSQL can keep in a primary key, or the value is no such
            number: `True`, NaN and infinities are none
        """
        if len(keys) != self._width:
            self._check_width("measure", keys)
        if keys:
            check_keys(keys)
        self.queue.items.append((message.second, *keys, in_billionths(value)))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return values without the names of people who are forgotten."""
        return [(second, *self._renamed_keys(keys, pseudonyms), value) for second, *keys, value in items]

    def update(self, session: Session) -> None:
        """Add what was measured to the table, in one statement."""
        found = self._windowed(self.queue.drain())
        if found:
            rows = sorted(found)  # daemons that write the same rows at once do so in one order
            self._write(session, _upsert(self.model), rows, _figures(found[row] for row in rows))

    def _windowed(self, items: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[int]]:
        """Return the values of each row, which are given with (second, *keys), by (window's start, *keys)."""
        found: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for second, *keys, value in items:
            found[(self._window(second), *keys)].append(value)
        return found


def _figures(rows: Iterable[list[int]]) -> dict[str, str]:
    """Return what is kept of the values of each row, in billionths, as arrays."""
    kept = [(len(its), *map(written, (sum(its), min(its), max(its)))) for its in rows]
    counts, *measures = zip(*kept, strict=True)
    arrays = {name: array_of_numbers(its) for name, its in zip(MEASURES, measures, strict=True)}
    return {"count": array_of_numbers(counts), **arrays}


def _merged(old: Any, new: Any) -> dict[str, ColumnElement[Any]]:
    return {
        "count": old["count"] + new["count"],
        "sum": func.trim_scale(old["sum"] + new["sum"]),
        "least": func.least(old.least, new.least),
        "greatest": func.greatest(old.greatest, new.greatest),
    }


@lru_cache(1024)
def _upsert(model: type[MeasureModel]) -> Insert:
    """Return what adds to the rows, given arrays: windows in epoch seconds, keys in their order, and the figures."""
    return upsert_windows(model, {"count": BigInteger, **dict.fromkeys(MEASURES, Numeric)}, _merged)
