"""Plugins that keep the latest state of things."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    Insert,
    Table,
    Text,
    cast,
    collate,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, distinct_on, insert
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from statscache.database.arrays import array_of_numbers, array_of_texts, column_named
from statscache.database.model import Base
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.base import BasePlugin
from statscache.plugins.keyed import renamed
from statscache.plugins.keys import check_key, check_text
from statscache.plugins.rows import Rows
from statscache.plugins.windows import changing

KEY = ("category", "category_constraint")
#: The columns: category, thing, timestamp in ISO 8601, rank, msg_id, state as JSON.
STATE = (*KEY, "timestamp", "rank", "msg_id", "message")
State = tuple[str, str, str, int, str, str]


class LatestModel(Base):
    """The latest state of each thing. A subclass has a `__tablename__`; its docstring is the table's comment.

    The columns are `category` and `category_constraint` (`text`), which together are the primary key, `timestamp` (when
    the state was announced, `timestamptz`), `rank` (`bigint`), `msg_id` (`text`), and `message`, the state (`jsonb`).
    """

    __abstract__ = True

    category: Mapped[str] = mapped_column(primary_key=True, comment="the group of things")
    category_constraint: Mapped[str] = mapped_column(
        primary_key=True, comment="the thing, unique in its group"
    )
    timestamp: Mapped[datetime] = mapped_column(comment="when the state was announced")
    rank: Mapped[int] = mapped_column(
        comment="of two states announced in the same second, that with the greater rank is later"
    )
    msg_id: Mapped[str] = mapped_column(comment="the announcing message's id; empty if it had none")
    message: Mapped[dict[str, Any]] = mapped_column(comment="the state")

    @declared_attr.directive
    def __table_args__(cls) -> Any:
        name = cls.__tablename__
        # Both end in the whole key, so that each gives an order by itself: else PostgreSQL may look for the newest of
        # a quiet category among all rows.
        of_category = Index(f"{name}_by_category", "category", "timestamp", "category_constraint")
        of_all = Index(f"{name}_by_timestamp", "timestamp", *KEY)
        return (of_category, of_all, {"comment": (cls.__doc__ or "").strip()})


class LatestPlugin(BasePlugin):
    """A plugin whose `process` calls `note`. Its `model` is a `LatestModel`, and it needs no `update` of its own.

    Which state is the latest is decided in the database, so the order of arrival never matters: the greater
    whole second wins (archives cut timestamps to seconds), then the greater rank, then the greater `msg_id`.
    """

    queued: ClassVar[bool] = True
    rows: ClassVar[Rows | None] = Rows.LATEST

    def note(self, message: Message, category: str, thing: str, state: dict[str, Any], rank: int = 0) -> None:
        """Note the state of a thing in a category. For `process`.

        :param category: the group of things
        :param thing: what tells the thing from others of its group
        :param state: what is known of it, fit for JSON; values of None are left out
        :param rank: of two states announced in one second the one with the greater rank is later
        :raises Unstorable: if a key, or a text in the state, is not one that PostgreSQL can keep
        """
        check_key(category)
        check_key(thing)
        given = {name: value for name, value in state.items() if value is not None}
        text = json.dumps(given, ensure_ascii=False, allow_nan=False)
        check_json(given)
        self.queue.put((category, thing, message.when.isoformat(), rank, message.msg_id or "", text))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return states without the names of people who are forgotten."""
        return [
            (
                *renamed(self.model, KEY, state[:2], pseudonyms),
                *state[2:-1],
                pseudonyms.in_document(state[-1]),
            )
            for state in items
        ]

    def update(self, session: Session) -> None:
        """Write the states that are later than those in the table."""
        states = self.queue.drain()
        if states:
            whens = [state[2] for state in states]  # all in UTC, so the order of the texts is that of time
            seconds = [_second(when) for when in (min(whens), max(whens))]
            options = changing(seconds, rows=len(states), surely=False)
            session.execute(_upsert(self.model), _arrays(states), execution_options=options)


def _arrays(states: Sequence[State]) -> dict[str, str]:
    """Return states as an array for each column."""
    columns: dict[str, Any] = dict(zip(STATE, zip(*states, strict=True), strict=True))
    ranks = array_of_numbers(columns.pop("rank"))
    return {f"{name}s": array_of_texts(texts) for name, texts in columns.items()} | {"ranks": ranks}


def _second(when: str) -> int:
    """Return the second since 1970 that an instant in ISO 8601 lies in."""
    return math.floor(datetime.fromisoformat(when).timestamp())


def check_json(value: Any) -> None:
    """Check that PostgreSQL can hold all texts in a value made of dicts, lists and scalars.

    :raises Unstorable: if there is a NUL or a lone surrogate in one
    """
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_text(name)
            check_json(item)
    elif isinstance(value, list | tuple):
        for item in value:
            check_json(item)


def lateness(row: Any) -> list[ColumnElement[Any]]:
    """Return what decides which of two states is later; the last two only make any order of arrival do."""
    return [
        func.date_trunc("second", row.timestamp),
        row.rank,
        collate(row.msg_id, "C"),
        collate(cast(row.message, Text), "C"),
        row.timestamp,
    ]


@lru_cache(1024)
def _upsert(model: type[LatestModel]) -> Insert:
    """Return what writes the later ones of states, given an array for each column."""
    kinds = {"rank": BigInteger, "timestamp": TIMESTAMP(timezone=True), "message": JSONB}
    table, columns = model.__table__, list(STATE)
    assert isinstance(table, Table)
    given = select(
        *(column_named(f"{name}s", kinds.get(name, Text)).label(name) for name in columns)
    ).subquery("given")
    keys = [given.c[name] for name in KEY]
    rows = (
        select(*given.c).ext(distinct_on(*keys)).order_by(*keys, *(part.desc() for part in lateness(given.c)))
    )
    statement = insert(table).from_select(columns, rows, include_defaults=False)
    return statement.on_conflict_do_update(
        index_elements=KEY,
        set_={name: statement.excluded[name] for name in columns if name not in KEY},
        where=tuple_(*lateness(statement.excluded)) > tuple_(*lateness(model)),
    )
