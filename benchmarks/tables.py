"""The kinds of tables that are flushed into: what a plugin gets, and the rows that come of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.orm import Session

from statscache.plugins import BasePlugin, CountingPlugin, LatestModel, Message, Schedule, counting_model
from statscache.store.ledger import LedgerRow, PluginSet, enter
from statscache_plugins.releng.plugins.amis import Plugin as Amis
from statscache_plugins.volume.by_topic import Plugin as ByTopic
from statscache_plugins.volume.simple import Plugin as Volume

#: The first second of bus time that is written to, and how many keys there are in each.
BEGIN, WIDTH = 1_700_006_400, 200
SECOND = Schedule(timedelta(seconds=1))

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of table.

    :param make: makes the plugin that writes it
    :param body: the message that becomes the row of a number, the second time round for True
    :param row: that row
    :param conflict: what the control does with a row that is there
    :param beside: tables that writing it needs, too
    """

    name: str
    table: Table
    make: Callable[[], BasePlugin]
    body: Callable[[int, bool], dict[str, Any]]
    row: Callable[[int, bool], Row]
    conflict: str
    beside: tuple[Table, ...] = ()


def counting(table: str, key: bool = True) -> Kind:
    """Return a kind that counts seconds, or topics in them."""
    plugin: type[CountingPlugin] = ByTopic if key else Volume
    model = counting_model(table, "for measuring", **({"topic": "the topic"} if key else {}))
    columns = "timestamp, topic" if key else "timestamp"
    return Kind(
        table,
        _table(model),
        lambda: plugin(SECOND, {}, model),
        lambda n, again: {"topic": _topic(n), "timestamp": _second(n, key)},
        lambda n, again: (_when(_second(n, key)), *([_topic(n)] if key else []), 1),
        f"({columns}) DO UPDATE SET volume = {{table}}.volume + excluded.volume",
    )


def latest(table: str) -> Kind:
    """Return a kind that keeps latest states."""
    attributes = {"__tablename__": table, "__doc__": "for measuring", "__module__": __name__}
    model = type("Latest", (LatestModel,), attributes)
    order = "(date_trunc('second', {0}.timestamp), {0}.rank, {0}.msg_id COLLATE \"C\")"
    columns = ("timestamp", "rank", "msg_id", "message")
    sets = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return Kind(
        table,
        _table(model),
        lambda: Amis(None, {}, model),
        _image,
        _image_row,
        f"(category, category_constraint) DO UPDATE SET {sets} "
        f"WHERE {order.format('excluded')} > {order.format('{table}')}",
    )


class Ledger(BasePlugin):
    """Writes the ledger, as every flush does before any plugin."""

    name = summary = description = "ledger"

    def process(self, message: Message) -> None:
        self.queue.put((message.id, message.second))

    def update(self, session: Session) -> None:
        ids, seconds = zip(*self.queue.drain(), strict=True)
        enter(session.connection(), ids, seconds, frozenset({"a", "b"}))


def ledger() -> Kind:
    """Return the ledger as a kind: its rows are there a second time when messages come once more."""
    return Kind(
        "statscache_ledger",
        _table(LedgerRow),
        lambda: Ledger(None, {}),
        lambda n, again: {"topic": "a", "timestamp": BEGIN + n // WIDTH, "msg_id": _id(n)},
        lambda n, again: (_id(n), 1, _when(BEGIN), _when(BEGIN + n // WIDTH)),
        "DO NOTHING",
        (_table(PluginSet),),
    )


def _id(number: int) -> str:
    """Return an id in no order, as those of the bus are."""
    return str(UUID(int=Random(number).getrandbits(128), version=4))


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


def _second(number: int, key: bool) -> int:
    return BEGIN + (number // WIDTH if key else number)


def _when(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _topic(number: int) -> str:
    return f"topic{number % WIDTH:03}"


def _image(number: int, again: bool) -> dict[str, Any]:
    msg = {
        "status": "completed",
        "image_name": f"Fedora-Cloud-Base-rawhide-{number}",
        "destination": "EC2 (us-east-1)",
    }
    topic = "org.fedoraproject.prod.fedimg.image.upload"
    return {"topic": topic, "msg": msg, "msg_id": f"2023-{number}", "timestamp": BEGIN + again}


def _image_row(number: int, again: bool) -> Row:
    image = f"Fedora-Cloud-Base-rawhide-{number}"
    state = {"name": image, "extra_text": "EC2 (us-east-1)", "status": "completed"}
    return (
        *("ami-rawhide", f"{image}-us-east-1", _when(BEGIN + again), 0, f"2023-{number}"),
        json.dumps(state),
    )
