"""What all kinds of plugins share that write a row for each window, and for each key in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Index, Insert, Table, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.database.model import Base
from statscache.plugins.keyed import KeyedModel, KeyedPlugin, columns_of_keys, key_columns
from statscache.plugins.rows import Rows
from statscache.plugins.schedule import Schedule
from statscache.plugins.upserts import (
    OldAndNew,
    arrays_of_keys,
    given,
    given_instants,
    given_keys,
    upsert,
)
from statscache.plugins.windows import changing
from statscache.span import window_start


class Merging(Enum):
    """How the figures of several rows come to one: that of a longer time, or of several keys."""

    SUM = "sum"
    LEAST = "min"
    GREATEST = "max"


class WindowModel(KeyedModel):
    """A row per window, and per key where there are key columns; `timestamp` is the window's start."""

    __abstract__ = True

    besides_keys: ClassVar[tuple[str, ...]] = ("timestamp",)
    #: The columns that hold figures, and how those of several rows come to one.
    figures: ClassVar[Mapping[str, Merging]] = {}
    #: The figure by which one row is greater than another, where nobody says which.
    leading: ClassVar[str] = ""
    #: The models of what else a plugin of this kind writes, beside the windows.
    beside: ClassVar[tuple[type[Base], ...]] = ()

    timestamp: Mapped[datetime] = mapped_column(primary_key=True, sort_order=-1, comment="the window's start")


Model = TypeVar("Model", bound=WindowModel)


def model_in_windows(
    kind: type[Model],
    table: str,
    comment: str,
    person: str | None,
    keys: Mapping[str, str],
    others: Mapping[str, Any] = MappingProxyType({}),
) -> type[Model]:
    """Make a model of a kind, with key columns and an index on each key and the window.

    :param keys: a comment for each key column, by the column's name
    :param others: attributes of the class that are not those of its kind
    :raises ValueError: if `person` is none of the keys, or a key has the name of another column
    """
    for name in {*kind.besides_keys, *kind.figures} & keys.keys():
        raise ValueError(f"no key of {table} can be called {name!r}: that is another column of it")
    columns = columns_of_keys(table, person, keys)
    indexes = tuple(Index(f"{table}_{key}_timestamp", key, "timestamp") for key in keys)
    attributes = {
        "__tablename__": table,
        "__table_args__": (*indexes, {"comment": comment}),
        **columns,
        **others,
    }
    return type(f"{kind.__name__}_{table}", (kind,), attributes)


def upsert_windows(model: type[WindowModel], figures: Mapping[str, Any], merge: OldAndNew) -> Insert:
    """Return what adds rows to windows, given the arrays that `WindowPlugin._write` gives.

    :param figures: the type of each figure, by its column
    :param merge: as `upsert` takes it
    """
    table = model.__table__
    assert isinstance(table, Table)
    unique = [given_instants("windows", "timestamp"), *given_keys(key_columns(model))]
    return upsert(table, unique, [given(name, kind) for name, kind in figures.items()], merge)


def tables_of(model: Any) -> list[Table]:
    """Return the tables that a plugin with this model writes, that of the model first; none for None."""
    models = [model, *getattr(model, "beside", ())]
    return [table for each in models if (table := getattr(each, "__table__", None)) is not None]


class WindowPlugin(KeyedPlugin):
    """A plugin of any kind that puts ``(second, *keys, …)`` into its queue, and writes windows.

    :raises ValueError: if there is no schedule, so no windows
    """

    rows: ClassVar[Rows | None] = Rows.WINDOW
    #: Whether `process` takes the same under the same keys whatever the interval. Then it is called once for all
    #: plugins that have this very `process` and want the same topics, and each gets what was taken.
    alike: ClassVar[bool] = False
    #: The methods by which `process` puts into the queue.
    taking: ClassVar[tuple[str, ...]] = ()

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        if schedule is None:
            raise ValueError(f"the plugin {self.name!r} counts in windows: give its class an interval")
        self._seconds = schedule.seconds
        self._offset = int(schedule.epoch.timestamp()) % schedule.seconds

    def _window(self, second: int) -> int:
        """Return the start of the window that a second lies in."""
        return window_start(second, self._seconds, self._offset)

    def _write(
        self, session: Session, statement: Insert, rows: Sequence[Any], figures: Mapping[str, str]
    ) -> None:
        """Write windows in one statement.

        :param statement: from `upsert_windows`
        :param rows: each as its window's start in seconds since 1970, and its keys; in order, and at least one
        :param figures: an array for each figure, by its column
        """
        windows, *keys = zip(*rows, strict=True)
        arrays = {"windows": array_of_numbers(windows), **arrays_of_keys(keys), **figures}
        options = changing(windows, self._seconds, len(rows))
        session.execute(statement, arrays, execution_options=options)

    def revert(self, when: datetime, session: Session) -> None:
        """Delete the windows that end after `when`: all that hold anything of that instant or later."""
        assert self.schedule is not None  # see __init__
        ended = when.astimezone() - self.schedule.interval
        session.execute(delete(self.model).where(self.model.timestamp > ended))
