"""Writing many rows at once that have keys: an array for each column, and a statement that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Double, Insert, Table, Text, func, select
from sqlalchemy.dialects.postgresql import insert

from statscache.database.arrays import array_of_texts, column_named

#: Gives something of the columns that a row has, and of those that are given for it.
OldAndNew = Callable[[Any, Any], Any]


def arrays_of_keys(columns: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return an array for each key column, given its texts."""
    return {f"keys_{place}": array_of_texts(texts) for place, texts in enumerate(columns)}


def given_keys(names: Sequence[str]) -> list[Any]:
    """Return the key columns of these names, whose arrays are given as `arrays_of_keys` names them."""
    return [column_named(f"keys_{place}", Text).label(name) for place, name in enumerate(names)]


def given(name: str, kind: Any) -> Any:
    """Return a column whose array is given by its own name."""
    return column_named(name, kind).label(name)


def given_instants(array: str, name: str) -> Any:
    """Return a column of instants, of which the seconds since 1970 are given by the name of the array."""
    return func.to_timestamp(column_named(array, Double)).label(name)


def upsert(
    table: Table,
    unique: Sequence[Any],
    others: Sequence[Any],
    merge: Callable[[Any, Any], Mapping[str, ColumnElement[Any]]],
    only: OldAndNew | None = None,
    kept: Callable[[Any], ColumnElement[bool]] | None = None,
) -> Insert:
    """Return what inserts rows, or merges them into those that there are.

    :param unique: the columns by which a row is known from others, as they are given
    :param others: the other columns
    :param merge: what these come to
    :param only: whether they change at all; None for in any case
    :param kept: which of the rows that are given are written; None for all
    """
    names = [column.name for column in unique]
    columns = [*names, *(column.name for column in others)]
    rows = select(*unique, *others)
    if kept is not None:
        each = rows.subquery("given")
        rows = select(*each.c).where(kept(each.c))
    statement = insert(table).from_select(columns, rows, include_defaults=False)
    new = statement.excluded
    where = None if only is None else only(table.c, new)
    return statement.on_conflict_do_update(index_elements=names, set_=merge(table.c, new), where=where)
