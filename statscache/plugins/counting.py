"""Plugins that count: add one under these keys in this window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Double, Index, Insert, Select, Table, Text, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.database.arrays import array_of_numbers, array_of_texts, column_named
from statscache.database.model import Base
from statscache.messages.message import Message
from statscache.plugins.base import BasePlugin
from statscache.plugins.keys import check_hashable_key, check_key
from statscache.plugins.rows import Rows
from statscache.plugins.schedule import Schedule
from statscache.plugins.windows import changing


class CountModel(Base):
    """A count per window, and per key where a subclass adds key columns to the primary key.

    The columns are `timestamp`, the start of the window (`timestamptz`), the keys (`text`), and `volume`, how many
    messages (`bigint`). `counting_model` makes subclasses.
    """

    __abstract__ = True

    timestamp: Mapped[datetime] = mapped_column(primary_key=True, sort_order=-1, comment="the window's start")
    volume: Mapped[int] = mapped_column(sort_order=1, comment="how many messages")


def counting_model(table: str, comment: str, **keys: str) -> type[CountModel]:
    """Make the model of a counting plugin.

    Its primary key is the window's start and the keys. For questions about one key over time there is an
    index on each key and the window.

    :param table: the table's name; at 56 bytes or less, the table gets its functions
    :param comment: the table's comment
    :param keys: a comment for each key column, by the column's name, in the order in which `CountingPlugin.count` takes
        the keys
    :return: a mapped class, for the `model` of one plugin
    """
    columns = {key: mapped_column(Text, primary_key=True, comment=about) for key, about in keys.items()}
    indexes = tuple(Index(f"{table}_{key}_timestamp", key, "timestamp") for key in keys)
    attributes = {"__tablename__": table, "__table_args__": (*indexes, {"comment": comment}), **columns}
    return type(f"Count_{table}", (CountModel,), attributes)


class CountingPlugin(BasePlugin):
    """A plugin whose `process` calls `count`. Its `model` comes from `counting_model`, its `interval` is set.

    It needs no `update` of its own.

    :raises ValueError: if there is no schedule, so no windows to count in
    """

    queued: ClassVar[bool] = True
    rows: ClassVar[Rows | None] = Rows.WINDOW
    #: Whether `process` counts the same under the same keys whatever the interval. Then it is called once for all
    #: plugins that have this very `process` and want the same topics, and each gets what was counted.
    alike: ClassVar[bool] = False

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        if schedule is None:
            raise ValueError(f"the plugin {self.name!r} counts in windows: give its class an interval")
        self._seconds = schedule.seconds
        self._offset = int(schedule.epoch.timestamp()) % schedule.seconds
        self._width = -1  # of the model's keys, of which a subclass may not yet have told

    def count(self, message: Message, *keys: str) -> None:
        """Add one under these keys, in the window that the message was sent in. For `process`.

        :param keys: as many as the model has key columns, in their order
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if a key is not a text that PostgreSQL can keep in a primary key
        """
        if len(keys) != self._width:
            self._check_width(keys)
        if not keys:
            self.queue.items.append((message.second,))
            return
        try:
            for key in keys:
                check_hashable_key(key)
        except TypeError:
            check_key(key)
        self.queue.items.append((message.second, *keys))

    def _check_width(self, keys: Sequence[str]) -> None:
        """Check that there are as many keys as the model has key columns, which from now on is known."""
        names = key_columns(self.model)
        if len(keys) != len(names):
            wanted = f"{', '.join(names)}" if names else "none"
            raise TypeError(
                f"count takes the keys of {self.model.__tablename__}, {wanted}, and got {len(keys)}"
            )
        self._width = len(names)

    def update(self, session: Session) -> None:
        """Add what was counted to the table."""
        self.add_counts(session)

    def add_counts(self, session: Session) -> None:
        """Add what was counted to the table's volumes, in one statement."""
        counts = self._windowed(Counter(self.queue.drain()))
        if counts:
            rows = sorted(counts)  # daemons that write the same rows at once do so in one order
            windows, *keys = zip(*rows, strict=True)
            arrays = {f"keys_{place}": array_of_texts(texts) for place, texts in enumerate(keys)}
            arrays["windows"] = array_of_numbers(windows)
            arrays["volumes"] = array_of_numbers(map(counts.__getitem__, rows))
            options = changing(windows, self._seconds, len(rows))
            session.execute(_upsert(self.model), arrays, execution_options=options)

    def _windowed(self, counts: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
        """Return counts by (second, *keys) as those by (window's start, *keys)."""
        if self._seconds == 1:
            return counts
        windowed: Counter[tuple[Any, ...]] = Counter()
        for (second, *keys), count in counts.items():
            windowed[(second - (second - self._offset) % self._seconds, *keys)] += count
        return windowed

    def revert(self, when: datetime, session: Session) -> None:
        """Delete the windows that end after `when`: all that hold anything of that instant or later."""
        assert self.schedule is not None  # see __init__
        ended = when.astimezone() - self.schedule.interval
        session.execute(delete(self.model).where(self.model.timestamp > ended))


def key_columns(model: type[CountModel]) -> list[str]:
    """Return the names of the model's key columns, the window's start left out."""
    return [column.name for column in model.__table__.primary_key if column.name != "timestamp"]


@lru_cache(1024)
def _upsert(model: type[CountModel]) -> Insert:
    """Return what adds to the volumes, given arrays: windows in epoch seconds, keys in their order, and volumes."""
    table, names = model.__table__, key_columns(model)
    assert isinstance(table, Table)
    rows: Select[Any] = select(
        func.to_timestamp(column_named("windows", Double)),
        *(column_named(f"keys_{place}", Text) for place in range(len(names))),
        column_named("volumes", BigInteger),
    )
    unique = ["timestamp", *names]
    statement = insert(table).from_select([*unique, "volume"], rows, include_defaults=False)
    added = model.volume + statement.excluded.volume
    return statement.on_conflict_do_update(index_elements=unique, set_={"volume": added})
