"""The messages that one plugin could not count, kept with the error until they count or somebody drops them.

What writes here is called by a connection that holds the lock of `statscache.database.lock.counting`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    DateTime,
    Double,
    Integer,
    Select,
    Text,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from statscache.database.arrays import column_of_numbers, column_of_texts, given_ids
from statscache.messages.message import Message, Naming, written
from statscache.store.failure import TOPIC, Failure, printable
from statscache.store.quarantine_tables import Body, QuarantineRow

#: How long to wait before a message is tried again: so many times in all, then only by hand. What was only put
#: off is due at once.
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
)
#: So many messages are written at once.
AT_ONCE = 500
#: So many messages at most are tried again in one transaction, of so many bytes at most unless a single one is longer.
RETRIED = 5_000
BYTES = 16 << 20


#: Whether it is time for the next attempt. One that is further ahead than any pause is long was set before the
#: database's clock was set back.
IS_DUE = or_(
    QuarantineRow.next_attempt <= func.now(),
    QuarantineRow.next_attempt > func.now() + PAUSES[-1],
)

#: Selects messages in the quarantine by `plugin` and `msg_id`.
Chosen = Select[str, str]


@dataclass(frozen=True)
class QuarantinedMessage:
    """A message in the quarantine for one plugin."""

    message: Message
    attempts: int
    first_failure: datetime


def put(
    connection: Connection,
    plugins: Collection[str],
    messages: Iterable[Message],
    failures: Mapping[str, Failure],
    before: Mapping[str, QuarantinedMessage] | None = None,
) -> None:
    """Put messages into the quarantine, for each of the plugins.

    :param failures: why, by the message's id, for each of the messages
    :param before: those that were in it already, by id
    """
    now, messages = connection.execute(select(func.now())).scalar_one(), iter(messages)
    while some := list(islice(messages, AT_ONCE)):
        ids = column_of_texts([message.id for message in some], Text)
        bodies = select(ids, column_of_texts(map(written, some), Text))
        connection.execute(insert(Body).from_select(["msg_id", "body"], bodies).on_conflict_do_nothing())
        rows = [_row(message, failures[message.id], (before or {}).get(message.id), now) for message in some]
        connection.execute(_replace(plugins, ids, rows, now))


@dataclass(frozen=True)
class QuarantineEntry:
    """What is noted of a message, for any plugin.

    :param pause: seconds until it is tried again, None if that is only by hand
    """

    topic: str
    when: datetime
    why: Failure
    first_failure: datetime
    attempts: int
    pause: float | None


def _row(message: Message, why: Failure, before: QuarantinedMessage | None, now: datetime) -> QuarantineEntry:
    attempts = (before.attempts if before else 0) + why.tried
    first_failure = before.first_failure if before else now
    clear = message.pseudonyms.throughout
    topic = printable(clear(message.topic), TOPIC)
    why = replace(why, error=clear(why.error), trace=clear(why.trace))
    return QuarantineEntry(topic, message.when, why, first_failure, attempts, _pause(attempts))


def _pause(attempts: int) -> float | None:
    """Return how many seconds after so many attempts the next one is, None if it is only by hand."""
    if attempts > len(PAUSES):
        return None
    return PAUSES[attempts - 1].total_seconds() if attempts else 0.0


def _replace(plugins: Collection[str], ids: Any, rows: Sequence[QuarantineEntry], now: datetime) -> Insert:
    """Return what writes a row for each plugin and message, instead of the one that may be there."""
    each = func.unnest(cast(list(plugins), ARRAY(Text))).column_valued("each_plugin")
    time = DateTime(timezone=True)
    pauses = column_of_numbers(("NULL" if row.pause is None else row.pause for row in rows), Double)
    columns = {
        "plugin": each,
        "msg_id": ids,
        "topic": column_of_texts([row.topic for row in rows], Text),
        "timestamp": column_of_texts([row.when.isoformat() for row in rows], time),
        "error": column_of_texts([row.why.error for row in rows], Text),
        "traceback": column_of_texts([row.why.trace for row in rows], Text),
        "first_failure": column_of_texts([row.first_failure.isoformat() for row in rows], time),
        "last_failure": literal(now, time),
        "attempts": column_of_numbers((row.attempts for row in rows), Integer),
        "next_attempt": literal(now, time) + pauses * text("interval '1 second'"),
    }
    statement = insert(QuarantineRow).from_select(list(columns), select(*columns.values()))
    kept = ("plugin", "msg_id", "first_failure")
    newer = {name: statement.excluded[name] for name in columns if name not in kept}
    return statement.on_conflict_do_update(index_elements=["plugin", "msg_id"], set_=newer)


def due(connection: Connection, plugins: Collection[str]) -> list[str]:
    """Return which of the plugins have messages whose next attempt is due."""
    query = select(QuarantineRow.plugin).where(IS_DUE, QuarantineRow.plugin.in_(plugins)).distinct()
    return list(connection.scalars(query))


def rows_of(plugin: str, ids: Collection[str]) -> Chosen:
    """Return what selects these messages of a plugin."""
    chosen = select(QuarantineRow.plugin, QuarantineRow.msg_id)
    return chosen.where(QuarantineRow.plugin == plugin, QuarantineRow.msg_id.in_(ids))


def find(
    connection: Connection, plugins: Collection[str] = (), ids: Collection[str] = ()
) -> Sequence[QuarantineRow]:
    """Return the messages in the quarantine for any of these plugins and with any of these ids, oldest first.

    :param plugins: empty for all
    :param ids: empty for all
    """
    query = select(QuarantineRow).order_by(QuarantineRow.first_failure, QuarantineRow.plugin)
    if plugins:
        query = query.where(QuarantineRow.plugin.in_(plugins))
    if ids:
        query = query.where(QuarantineRow.msg_id.in_(ids))
    return Session(connection).scalars(query).all()


def due_rows(plugin: str) -> Chosen:
    """Return what selects the messages of a plugin that are due."""
    some = (
        select(QuarantineRow.msg_id)
        .where(QuarantineRow.plugin == plugin, IS_DUE)
        .order_by(QuarantineRow.next_attempt)
        .limit(RETRIED)
    )
    size, order = func.octet_length(Body.body), Body.msg_id
    sized = select(
        Body.msg_id,
        func.sum(size).over(order_by=order).label("bytes"),
        func.row_number().over(order_by=order).label("number"),
    ).where(Body.msg_id.in_(some))
    fits = sized.subquery("fits")
    return (
        select(QuarantineRow.plugin, QuarantineRow.msg_id)
        .join(fits, fits.c.msg_id == QuarantineRow.msg_id)
        .where(QuarantineRow.plugin == plugin, or_(fits.c.bytes <= BYTES, fits.c.number == 1))
    )


def take(connection: Connection, chosen: Chosen, naming: Naming) -> dict[str, QuarantinedMessage]:
    """Take messages out of the quarantine, those that count again in the same transaction, and return them by id.

    :param chosen: selects `plugin` and `msg_id`, all of one plugin
    """
    gone = (
        delete(QuarantineRow)
        .where(tuple_(QuarantineRow.plugin, QuarantineRow.msg_id).in_(chosen))
        .returning(QuarantineRow.msg_id, QuarantineRow.attempts, QuarantineRow.first_failure)
    )
    taken = {id: (attempts, first) for id, attempts, first in connection.execute(gone)}
    return {
        id: QuarantinedMessage(Message(json.loads(text), naming), *taken[id])
        for id, text in _bodies(connection, taken)
    }


def _bodies(connection: Connection, ids: Collection[str]) -> Iterator[tuple[str, str]]:
    if ids:
        given = given_ids(ids)
        for row in connection.execute(
            select(Body.msg_id, Body.body).join(given, given.c.msg_id == Body.msg_id)
        ):
            yield row.msg_id, row.body


def forget_bodies(connection: Connection, ids: Collection[str]) -> None:
    """Delete the bodies of those messages that are in the quarantine for no plugin any more."""
    if ids:
        given = given_ids(ids)
        still = select(QuarantineRow.msg_id).where(QuarantineRow.msg_id == Body.msg_id).exists()
        connection.execute(delete(Body).where(Body.msg_id == given.c.msg_id, ~still))


def drop(connection: Connection, chosen: Chosen) -> int:
    """Delete messages from the quarantine, so that they never count, and return how many."""
    gone = (
        delete(QuarantineRow)
        .where(tuple_(QuarantineRow.plugin, QuarantineRow.msg_id).in_(chosen))
        .returning(QuarantineRow.msg_id)
    )
    ids = list(connection.scalars(gone))
    forget_bodies(connection, set(ids))
    return len(ids)
