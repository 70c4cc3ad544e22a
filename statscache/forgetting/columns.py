"""Columns of tables in which a name can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    Text,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert

from statscache.forgetting.merging import Merge
from statscache.forgetting.replacements import Replacement, Replacements
from statscache.plugins import NoteModel
from statscache.plugins.keyed import PERSON
from statscache.plugins.notes import LONGEST_TEXT, NoteColumns


class Place(Protocol):
    """Where names can be."""

    @property
    def name(self) -> str:
        """The place by its name, such as that of a column."""
        ...

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return in how many rows there are names."""
        ...

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names, and return in how many rows there were any."""
        ...


@dataclass(frozen=True)
class _InTable:
    model: Any
    column: Column[Any]

    @property
    def name(self) -> str:
        """The column, with its table."""
        return f"{self.table.fullname}.{self.column.name}"

    @property
    def table(self) -> Table:
        """The table."""
        table: Table = self.model.__table__
        return table


class PersonColumn(_InTable):
    """A column that names a person and nothing else."""

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many rows name somebody."""
        return _count(connection, self.column.in_([its.old for its in names.each]))

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names."""
        return sum(
            _replace(connection, self.model, self.column, self.column == its.old, its.instead_of)
            for its in names.each
        )


class AddressColumn(_InTable):
    """The same column, where it has addresses that begin with a name."""

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many rows have such an address."""
        return _count(connection, or_(*(its.begins(self.column) for its in names.each)))

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names."""
        return sum(
            _replace(connection, self.model, self.column, its.begins(self.column), its.in_address)
            for its in names.each
        )


@dataclass(frozen=True)
class TextColumn(_InTable):
    """A column of texts that a name can be a part of.

    :param whole: whether a text that is nothing but a name is a person's, too
    :param longest: so many characters at most are kept; None for any number
    """

    whole: bool = False
    longest: int | None = None

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many rows name somebody."""
        conditions = [self._names(its) for its in names.each if self.whole or its.is_word]
        return _count(connection, or_(*conditions)) if conditions else 0

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names."""
        return sum(
            _replace(connection, self.model, self.column, self._names(its), partial(self._without, its))
            for its in names.each
            if self.whole or its.is_word
        )

    def _names(self, its: Replacement) -> ColumnElement[bool]:
        if not its.is_word:
            return self.column == its.old
        return its.is_in(self.column) if self.whole else its.is_in(self.column) & (self.column != its.old)

    def _without(self, its: Replacement, column: ColumnElement[str]) -> Any:
        text = its.replaced_in(column) if its.is_word else its.new
        return text if self.longest is None else func.left(text, self.longest)


class JsonColumn(_InTable):
    """A column of documents that names can be anywhere in."""

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many rows name somebody."""
        return sum(1 for _ in self._found(connection, names))

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names."""
        found = list(self._found(connection, names))
        for key, document in found:
            same = [column == value for column, value in zip(self.table.primary_key, key, strict=True)]
            connection.execute(update(self.table).where(*same).values({self.column: document}))
        return len(found)

    def _found(self, connection: Connection, names: Replacements) -> Iterator[tuple[Any, Any]]:
        """Yield the primary key of each row that names somebody, and its document without."""
        written = cast(self.column, Text)
        may = or_(*(func.strpos(written, its.old) > 0 for its in names.each))
        for document, *key in connection.execute(
            select(self.column, *self.table.primary_key).where(may)
        ).all():
            replaced = names.pseudonyms.in_json(document)
            if replaced != document:
                yield key, replaced


def places_of(model: Any) -> list[Place]:
    """Return the columns of a model in which a name can be, those that name persons first."""
    columns = sorted(model.__table__.columns, key=lambda column: not column.info.get(PERSON))
    return [place for column in columns for place in _places(model, column)]


def _places(model: Any, column: Column[Any]) -> list[Place]:
    if column.info.get(PERSON):
        return [PersonColumn(model, column), AddressColumn(model, column)]
    if isinstance(column.type, JSON | JSONB):
        return [JsonColumn(model, column)]
    if not isinstance(column.type, String):
        return []
    noted = issubclass(model, NoteModel | NoteColumns) and column.name in ("key", "text", "link")
    return [TextColumn(model, column, noted, LONGEST_TEXT if noted and column.name == "text" else None)]


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).where(condition)) or 0


def _replace(
    connection: Connection,
    model: Any,
    column: Column[Any],
    names: ColumnElement[bool],
    value: Callable[[Any], Any],
) -> int:
    """Replace a column's value in the rows that name somebody, and return how many they were."""
    table: Table = model.__table__
    if not column.primary_key:
        return connection.execute(update(table).where(names).values({column: value(column)})).rowcount
    gone = delete(table).where(names).returning(*table.c).cte("gone")
    its = [value(gone.c[each.name]) if each is column else gone.c[each.name] for each in table.c]
    rows: Select[Any] = select(*(literal(each, Text) if isinstance(each, str) else each for each in its))
    moved = insert(table).from_select(list(table.c.keys()), rows.select_from(gone), include_defaults=False)
    written = Merge(model).upserting(moved).returning(*table.primary_key).cte("written")
    return connection.scalar(select(func.count()).select_from(gone).add_cte(written)) or 0
