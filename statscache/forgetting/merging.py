"""What two rows come to that are about the same person under two names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, func, tuple_
from sqlalchemy.dialects.postgresql import Insert

from statscache.plugins import DurationModel, FirstSeenModel, LatestModel, NoteModel
from statscache.plugins.in_windows import Merging, WindowModel
from statscache.plugins.latest import lateness as lateness_of_state
from statscache.plugins.notes import lateness as lateness_of_note

#: What decides which of two rows is later.
Lateness = Callable[[Any], list[ColumnElement[Any]]]
LATENESS: Mapping[type, Lateness] = {LatestModel: lateness_of_state, NoteModel: lateness_of_note}
TWO: Mapping[Merging, Callable[[Any, Any], ColumnElement[Any]]] = {
    Merging.SUM: lambda old, new: old + new,
    Merging.LEAST: func.least,
    Merging.GREATEST: func.greatest,
}


@dataclass(frozen=True)
class Merge:
    """How rows of a model are put together."""

    model: Any

    def upserting(self, statement: Insert) -> Insert:
        """Return a statement that inserts rows, which puts them together with those that are there."""
        table, new = self.model.__table__, statement.excluded
        key = [column.name for column in table.primary_key]
        for kind, lateness in LATENESS.items():
            if issubclass(self.model, kind):
                others = {column.name: new[column.name] for column in table.c if column.name not in key}
                later = tuple_(*lateness(new)) > tuple_(*lateness(self.model))
                return statement.on_conflict_do_update(index_elements=key, set_=others, where=later)
        merged = {name: _merged(table.c[name], new[name], how) for name, how in self._figures.items()}
        if not merged:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(index_elements=key, set_=merged)

    @property
    def _figures(self) -> Mapping[str, Merging]:
        if issubclass(self.model, DurationModel):
            return {"volume": Merging.SUM, "seconds": Merging.SUM}
        if issubclass(self.model, FirstSeenModel):
            return {"first": Merging.LEAST, "last": Merging.GREATEST}
        return self.model.figures if issubclass(self.model, WindowModel) else {}


def _merged(old: ColumnElement[Any], new: ColumnElement[Any], how: Merging) -> ColumnElement[Any]:
    both: ColumnElement[Any] = TWO[how](old, new)
    return func.trim_scale(both) if isinstance(old.type, Numeric) else both
