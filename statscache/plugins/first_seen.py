"""Plugins that keep when something was seen for the first time ever, and for the last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Index, Insert, Table, delete, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.keyed import KeyedModel, KeyedPlugin, columns_of_keys, key_columns
from statscache.plugins.keys import check_keys
from statscache.plugins.rows import Rows
from statscache.plugins.schedule import Schedule
from statscache.plugins.upserts import arrays_of_keys, given_instants, given_keys, upsert
from statscache.plugins.windows import changing

#: The columns of such a table that are no keys.
OWN = ("first", "last")
#: Such a table is as one with windows of a second.
EACH_SECOND = Schedule(timedelta(seconds=1))


class FirstSeenModel(KeyedModel):
    """When each combination of keys was seen for the first and the last time.

    The columns are the keys (`text`), which are the primary key, `first` and `last` (`timestamptz`), whole seconds.
    `first_seen_model` makes subclasses.
    """

    __abstract__ = True

    first: Mapped[datetime] = mapped_column(sort_order=1, comment="when it was seen for the first time")
    last: Mapped[datetime] = mapped_column(sort_order=2, comment="when it was seen for the last time")


def first_seen_model(
    table: str, comment: str, person: str | None = None, **keys: str
) -> type[FirstSeenModel]:
    """Make the model of a plugin of first times. There is an index on `first`.

    :param table: the table's name
    :param comment: the table's comment
    :param person: the key that names a person, by the account
    :param keys: a comment for each key column, by the column's name, in the order in which `FirstSeenPlugin.seen` takes
        the keys; there is at least one
    :return: a mapped class, for the `model` of one plugin
    :raises ValueError: if there are no keys, `person` is none of them, or one is called first or last
    """
    if not keys or set(OWN) & keys.keys():
        raise ValueError(f"{table} needs keys, of which none is called first or last")
    columns = columns_of_keys(table, person, keys)
    index = Index(f"{table}_first", "first", *keys)
    attributes = {"__tablename__": table, "__table_args__": (index, {"comment": comment}), **columns}
    return type(f"FirstSeenModel_{table}", (FirstSeenModel,), attributes)


class FirstSeenPlugin(KeyedPlugin):
    """A plugin whose `process` calls `seen`. Its `model` comes from `first_seen_model`, and it has no interval.

    It needs no `update` of its own. What comes first and last is decided in the database by the messages' whole seconds
    (archives cut timestamps to them), whatever the order in which they come.

    A row comes of all messages ever. So it is counted again, and verified, only for all time together.
    """

    rows: ClassVar[Rows | None] = Rows.EVER

    def seen(self, message: Message, *keys: str) -> None:
        """Note that these keys were seen when the message was sent. For `process`.

        :param keys: as many as the model has key columns, in their order
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if a key is not a text that PostgreSQL can keep in a primary key
        """
        if len(keys) != self._width:
            self._check_width("seen", keys)
        check_keys(keys)
        self.queue.items.append((keys, message.second))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return what was seen without the names of people who are forgotten."""
        return [(tuple(self._renamed_keys(keys, pseudonyms)), second) for keys, second in items]

    def update(self, session: Session) -> None:
        """Write the times that are earlier or later than those in the table."""
        times = _times(self.queue.drain())
        if times:
            rows = sorted(times)  # daemons that write the same rows at once do so in one order
            firsts, lasts = zip(*map(times.__getitem__, rows), strict=True)
            arrays = arrays_of_keys(zip(*rows, strict=True))
            arrays |= {"first": array_of_numbers(firsts), "last": array_of_numbers(lasts)}
            options = changing((min(firsts), max(lasts)), rows=len(rows), surely=False)
            session.execute(_upsert(self.model), arrays, execution_options=options)

    def latest(self, session: Session) -> datetime | None:
        """Return the greatest time in the table; None if it is empty."""
        newest: datetime | None = session.scalar(select(func.max(self.model.last)))
        return newest

    def revert(self, when: datetime, session: Session) -> None:
        """Delete what was seen at `when` or later; when that was seen first has to be counted again."""
        session.execute(delete(self.model).where(self.model.last >= when.astimezone()))


def _times(items: Iterable[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return the first and the last second of each combination of keys."""
    times: dict[tuple[str, ...], tuple[int, int]] = {}
    for keys, second in items:
        first, last = times.get(keys, (second, second))
        times[keys] = min(first, second), max(last, second)
    return times


def _merged(old: Any, new: Any) -> dict[str, ColumnElement[Any]]:
    return {"first": func.least(old.first, new.first), "last": func.greatest(old.last, new.last)}


@lru_cache(1024)
def _upsert(model: type[FirstSeenModel]) -> Insert:
    """Return what writes earlier first times and later last ones, given an array for each column."""
    table = model.__table__
    assert isinstance(table, Table)
    times = [given_instants(name, name) for name in OWN]
    return upsert(
        table,
        given_keys(key_columns(model)),
        times,
        _merged,
        lambda old, new: or_(new.first < old.first, new.last > old.last),
    )
