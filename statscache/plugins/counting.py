"""Plugins that count: add to what is under these keys in this window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import BigInteger, Insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.errors import Unstorable
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.in_windows import Merging, WindowModel, WindowPlugin, model_in_windows, upsert_windows
from statscache.plugins.keys import check_keys, shortened

#: What `count` adds unless it is told otherwise; and the most that it adds, so that a window has room for millions.
ONE = 1
MOST = 2**40


class Weighted(NamedTuple):
    """What counts more than once: a row, as `count` puts it, and how often."""

    row: tuple[Any, ...]
    amount: int


class CountModel(WindowModel):
    """A count per window, and per key where a subclass adds key columns to the primary key.

    The columns are `timestamp`, the start of the window (`timestamptz`), the keys (`text`), and `volume`, how many
    messages, or the sum of the amounts (`bigint`). `counting_model` makes subclasses.
    """

    __abstract__ = True

    figures: ClassVar[Mapping[str, Merging]] = {"volume": Merging.SUM}
    leading: ClassVar[str] = "volume"

    volume: Mapped[int] = mapped_column(sort_order=1, comment="how many messages")


def counting_model(table: str, comment: str, person: str | None = None, **keys: str) -> type[CountModel]:
    """Make the model of a counting plugin.

    Its primary key is the window's start and the keys. For questions about one key over time there is an
    index on each key and the window.

    :param table: the table's name; at 54 bytes or less, the table gets all its functions
    :param comment: the table's comment
    :param person: the key that names a person, by the account; the table then gets its functions about people
    :param keys: a comment for each key column, by the column's name, in the order in which `CountingPlugin.count` takes
        the keys
    :return: a mapped class, for the `model` of one plugin
    :raises ValueError: if `person` is none of the keys, or a key has the name of another column
    """
    return model_in_windows(CountModel, table, comment, person, keys)


class CountingPlugin(WindowPlugin):
    """A plugin whose `process` calls `count`. Its `model` comes from `counting_model`, its `interval` is set.

    It needs no `update` of its own.

    :raises ValueError: if there is no schedule, so no windows to count in
    """

    taking: ClassVar[tuple[str, ...]] = ("count",)

    def count(self, message: Message, *keys: str, amount: int = ONE) -> None:
        """Add one, or an amount, under these keys, in the window that the message was sent in. For `process`.

        :param keys: as many as the model has key columns, in their order
        :param amount: from 1 to 2**40
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if a key is not a text that PostgreSQL can keep in a primary key, or the amount is not an
            int in that range
        """
        if len(keys) != self._width:
            self._check_width("count", keys)
        if keys:
            check_keys(keys)
        row = (message.second, *keys)
        self.queue.items.append(row if amount is ONE else Weighted(row, _checked(amount)))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return rows and amounts without the names of people who are forgotten."""

        def of(row: tuple[Any, ...]) -> tuple[Any, ...]:
            return (row[0], *self._renamed_keys(row[1:], pseudonyms))

        return [Weighted(of(its.row), its.amount) if type(its) is Weighted else of(its) for its in items]

    def update(self, session: Session) -> None:
        """Add what was counted to the table."""
        self.add_counts(session)

    def add_counts(self, session: Session) -> None:
        """Add what was counted to the table's volumes, in one statement."""
        counts = self._windowed(summed(self.queue.drain()))
        if counts:
            rows = sorted(counts)  # daemons that write the same rows at once do so in one order
            volumes = array_of_numbers(map(counts.__getitem__, rows))
            self._write(session, _upsert(self.model), rows, {"volume": volumes})

    def _windowed(self, counts: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
        """Return counts by (second, *keys) as those by (window's start, *keys)."""
        if self._seconds == 1:
            return counts
        windowed: Counter[tuple[Any, ...]] = Counter()
        for (second, *keys), count in counts.items():
            windowed[(self._window(second), *keys)] += count
        return windowed


def summed(items: Iterable[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Return how much was counted by (second, *keys)."""
    counts = Counter(items)
    for item in [item for item in counts if type(item) is Weighted]:
        counts[item.row] += item.amount * counts.pop(item)
    return counts


def _checked(amount: int) -> int:
    if not isinstance(amount, int) or isinstance(amount, bool) or not 1 <= amount <= MOST:
        raise Unstorable(f"an amount must be a whole number from 1 to {MOST}, not {shortened(amount)}")
    return int(amount)


@lru_cache(1024)
def _upsert(model: type[CountModel]) -> Insert:
    """Return what adds to the volumes, given arrays: windows in epoch seconds, keys in their order, and volumes."""
    return upsert_windows(model, {"volume": BigInteger}, lambda old, new: {"volume": old.volume + new.volume})
