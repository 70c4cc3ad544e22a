"""What differs between a table and what was counted again. For transactions of `Shadow.beside`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from statscache.history.recount.shadow import shadow
from statscache.history.recount.targets import Target
from statscache.plugins import Rows
from statscache.span import Span
from statscache.store.not_kept import NotKeptRow

Row = dict[str, Any]
#: The table that holds all that differs while it is exchanged.
NAME = "statscache_difference"


@dataclass(frozen=True)
class Difference:
    """A row that is not as it should be.

    :param key: the primary key, by column
    :param actual: the other columns as they are; None if there is no such row
    :param recounted: as they should be; None if there should be no such row
    """

    key: Row
    actual: Row | None
    recounted: Row | None


@dataclass
class Differences:
    """What differs in a table, of which only the first rows are kept."""

    total: int = 0
    rows: list[Difference] = field(default_factory=list)


class Comparison:
    """A table and what was counted again, row by row.

    Of the latest states, a row that is later than the span is as it should be: it replaced what the span has. Windows
    that are not kept any more are left out, also of what was counted before they were dropped.
    """

    def __init__(self, target: Target, span: Span) -> None:
        self._target = target
        self._real = target.table
        self._span = span
        self._keys = [column.name for column in self._real.primary_key]
        self._values = [column.name for column in self._real.columns if column.name not in self._keys]

    def check(self, connection: Connection) -> None:
        """Check that it is known what each row should be, as it is of windows and of latest states."""

    def find(self, connection: Connection, most: int) -> Differences:
        """Return what differs, with `most` rows of it."""
        query = self._query().add_columns(func.count().over()).order_by(*self._key_labels()).limit(most)
        rows = connection.execute(query).all()
        return Differences(rows[0][-1] if rows else 0, [self._difference(row) for row in rows])

    def exchange(self, connection: Connection, most: int) -> Differences:
        """Make the table as it should be, and return what differed, with `most` rows of it.

        For a transaction of `Shadow.exchange`.
        """
        made = self._query().into(NAME, temporary=True)
        connection.execute(made)
        found = made.table
        try:
            total = connection.scalar(select(func.count()).select_from(found)) or 0
            keys = [found.c[label] for label in self._key_labels()]
            rows = connection.execute(select(found).order_by(*keys).limit(most)).all()
            if total:
                self._replace(connection, found)
        finally:
            found.drop(connection)
        return Differences(total, [self._difference(row) for row in rows])

    def _replace(self, connection: Connection, found: Any) -> None:
        same = [self._real.c[name] == found.c[f"k{n}"] for n, name in enumerate(self._keys)]
        connection.execute(delete(self._real).where(*same))
        columns = [found.c[label] for label in (*self._key_labels(), *self._labels("r", self._values))]
        rows = select(*columns).where(found.c.wanted)
        connection.execute(
            insert(self._real).from_select([*self._keys, *self._values], rows, include_defaults=False)
        )

    def _query(self) -> Select[Any]:
        """Return what selects the rows that differ: their keys, which side has them, and the values of both."""
        actual, wanted = self._actual(), self._wanted()
        joined = actual.join(wanted, and_(*(actual.c[k] == wanted.c[k] for k in self._keys)), full=True)
        there, is_wanted = (side.c[self._keys[0]].is_not(None) for side in (actual, wanted))
        keys = [func.coalesce(actual.c[k], wanted.c[k], type_=actual.c[k].type) for k in self._keys]
        values = [side.c[name] for side in (actual, wanted) for name in self._values]
        labels = [*self._labels("a", self._values), *self._labels("r", self._values)]
        differ = [
            self._comparable(actual.c[v]).is_distinct_from(self._comparable(wanted.c[v]))
            for v in self._values
        ]
        return (
            select(
                *(key.label(label) for key, label in zip(keys, self._key_labels(), strict=True)),
                there.label("there"),
                is_wanted.label("wanted"),
                *(value.label(label) for value, label in zip(values, labels, strict=True)),
            )
            .select_from(joined)
            .where(or_(~there, ~is_wanted, *differ))
        )

    def _actual(self) -> Subquery:
        """Return the rows there are: those of the span, and older states of what has a newer one in it."""
        rows = select(*self._real.columns)
        chosen = self._inside(self._real)
        if self._target.rows is Rows.LATEST:
            other = shadow(self._real)
            newer = select(1).where(*self._same_key(other), self._inside(other)).exists()
            chosen = or_(chosen, and_(self._real.c.timestamp < self._instant(self._span.start), newer))
        return rows.where(chosen).subquery("actual")

    def _wanted(self) -> Subquery:
        """Return the rows that there should be."""
        other = shadow(self._real)
        rows = select(*other.columns).where(self._inside(other))
        if self._target.rows is Rows.LATEST:
            later = self._real.c.timestamp >= self._instant(self._span.stop)
            rows = rows.where(~select(1).where(*self._same_key(other), later).exists())
        return rows.subquery("wanted")

    def _same_key(self, other: Any) -> list[ColumnElement[bool]]:
        return [self._real.c[name] == other.c[name] for name in self._keys]

    def _inside(self, side: Any) -> ColumnElement[bool]:
        start, stop = self._instant(self._span.start), self._instant(self._span.stop)
        when = side.c.timestamp
        if self._target.rows is not Rows.WINDOW:
            return and_(when >= start, when < stop)
        its = NotKeptRow.table_name == self._real.fullname, NotKeptRow.times.contains(when)
        return and_(when >= start, when < stop, ~exists(NotKeptRow.table_name).where(*its))

    @staticmethod
    def _instant(second: int) -> ColumnElement[Any]:
        return func.to_timestamp(second)

    @staticmethod
    def _comparable(value: Any) -> ColumnElement[Any]:
        """Return a value in a form that is equal where it means the same: archives cut instants to seconds."""
        if value.name == "timestamp":
            return func.date_trunc("second", value)
        return cast(value, JSONB) if isinstance(value.type, JSON) else value

    def _key_labels(self) -> list[str]:
        return self._labels("k", self._keys)

    @staticmethod
    def _labels(kind: str, names: Sequence[str]) -> list[str]:
        return [f"{kind}{number}" for number in range(len(names))]

    def _difference(self, row: Any) -> Difference:
        cells = row._mapping
        sides = [
            dict(zip(self._values, (cells[label] for label in self._labels(kind, self._values)), strict=True))
            if cells[there]
            else None
            for kind, there in (("a", "there"), ("r", "wanted"))
        ]
        key = dict(zip(self._keys, (cells[label] for label in self._key_labels()), strict=True))
        return Difference(key, *sides)
