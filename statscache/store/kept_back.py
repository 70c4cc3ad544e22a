"""The copies that bridges have made of messages, each kept back until its original comes or its time is over.

What takes a connection is called with one that holds the lock of `statscache.database.lock.counting`.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Select,
    Text,
    cast,
    delete,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from statscache.bus.bridges import original_bus
from statscache.database.arrays import column_of_numbers, column_of_texts
from statscache.errors import Rejected
from statscache.messages.message import Message, Naming, written
from statscache.store.kept_back_table import KeptRow
from statscache.store.ledger import LedgerRow, PluginSet, plugins_of

log = logging.getLogger(__name__)

#: So many copies are written at once.
AT_ONCE = 500
#: So many at most are counted in one transaction, of so many bytes at most unless a single one is longer.
RELEASED = 5_000
BYTES = 16 << 20
#: Whether the time of a copy is over. One that is further ahead than any may be kept was set before the database's
#: clock was set back.
IS_DUE = or_(KeptRow.until <= func.now(), KeptRow.until > func.now() + text("interval '1 day'"))


@dataclass(frozen=True)
class Released:
    """A copy whose time is over.

    :param message: the earliest of the copies that were kept of the message
    :param plugins: those that are to count it
    """

    message: Message
    plugins: frozenset[str]


def keep(connection: Connection, copies: Iterable[Message], plugin_set: int, wait: float) -> None:
    """Keep copies back.

    :param copies: sorted by their ids
    :param plugin_set: the number of the set of the plugins that are to count them
    :param wait: for how many seconds
    """
    copies = iter(copies)
    until = func.now() + literal(wait, Double) * text("interval '1 second'")
    while some := list(islice(copies, AT_ONCE)):
        columns = {
            "msg_id": column_of_texts([copy.id for copy in some], Text),
            "bus": column_of_texts([str(original_bus(copy)) for copy in some], Text),
            "plugin_set": literal(plugin_set),
            "timestamp": func.to_timestamp(column_of_numbers([copy.second for copy in some], Double)),
            "until": until,
            "body": column_of_texts(map(written, some), Text),
        }
        statement = insert(KeptRow).from_select(list(columns), select(*columns.values()))
        connection.execute(statement.on_conflict_do_nothing())


def earliest(connection: Connection) -> int | None:
    """Return the earliest second of a copy that is kept back, None if there is none. It needs no lock."""
    return connection.scalar(select(cast(extract("epoch", func.min(KeptRow.timestamp)), BigInteger)))


def is_any(connection: Connection) -> bool:
    """Return whether any copy is kept back. It needs no lock."""
    return bool(connection.scalar(select(exists(select(KeptRow.msg_id)))))


def from_when(connection: Connection, oldest: float) -> float:
    """Return from when on messages are to be entered into the ledger: all of them while any copy is kept back.

    Such a copy may be older than the ledger reaches if no daemon has run since, and then only that knows what counts.

    :param oldest: from when on they are to be entered otherwise, in seconds since 1970
    """
    return 0.0 if is_any(connection) else oldest


def waiting(connection: Connection) -> tuple[int, float | None]:
    """Return how many copies are kept back, and in how many seconds the next is to count, None for none.

    It needs no lock.
    """
    seconds = cast(extract("epoch", func.min(KeptRow.until) - func.now()), Double)
    number, next_due = connection.execute(select(func.count(), seconds)).one()
    return number, next_due


def drop_counted(connection: Connection) -> int:
    """Drop the copies that all plugins have counted which were to, and return how many."""
    had, wanted = aliased(PluginSet), aliased(PluginSet)
    counted = (
        LedgerRow.msg_id == KeptRow.msg_id,
        had.id == LedgerRow.plugin_set,
        wanted.id == KeptRow.plugin_set,
        had.plugins.contains(wanted.plugins),
    )
    return connection.execute(delete(KeptRow).where(*counted)).rowcount


def take(connection: Connection, naming: Naming, here: frozenset[str]) -> list[Released]:
    """Take copies whose time is over, to be counted in the same transaction; some at a time, oldest first.

    :param here: the plugins that count those of which nobody knows any more who was to
    """
    gone = delete(KeptRow).where(KeptRow.msg_id.in_(_due()))
    rows = connection.execute(gone.returning(KeptRow.msg_id, KeptRow.plugin_set, KeptRow.body)).all()
    sets = plugins_of(connection, {row.plugin_set for row in rows})
    found: defaultdict[str, list[Message]] = defaultdict(list)
    plugins: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for id, number, body in rows:
        found[id] += _read(body, naming)
        plugins[id] |= sets.get(number, here)
    return [
        Released(min(its, key=lambda copy: copy.timestamp), plugins[id]) for id, its in found.items() if its
    ]


def _due() -> Select[str]:
    """Return what selects the ids of those that are taken together."""
    some = select(KeptRow.msg_id).where(IS_DUE).order_by(KeptRow.until).limit(RELEASED)
    order = KeptRow.msg_id
    sized = (
        select(
            KeptRow.msg_id,
            func.sum(func.octet_length(KeptRow.body)).over(order_by=order).label("bytes"),
            func.rank().over(order_by=order).label("number"),
        )
        .where(KeptRow.msg_id.in_(some))
        .subquery("sized")
    )
    return select(sized.c.msg_id).where(or_(sized.c.bytes <= BYTES, sized.c.number == 1))


def _read(body: str, naming: Naming) -> Iterator[Message]:
    """Yield the message; nothing if this version finds it unusable, which is logged."""
    try:
        yield Message(json.loads(body), naming)
    except Rejected as reason:
        log.error("rejected a copy that was kept back, %s: %.500r", reason, body)
