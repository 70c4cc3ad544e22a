"""Which queues share the messages of AMQP, from when until when, in rows of `statscache_bus`.

`heard` of such a row is the time of which nothing is awaited from the queue; what daemons have heard of it is in
`statscache_heard`. No time may be called complete of which a message is in a queue: so a row is committed before
anything goes into its queue, and it says that nothing of later is awaited only once nothing more goes into the queue.
While a row is there and its queue is not, nothing is complete.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, inspect, select, text, update
from sqlalchemy.dialects.postgresql import insert

from statscache.bus.interface import AMQP
from statscache.bus.watermark import SETTLE
from statscache.database.lock import counting
from statscache.store.buses import EVER, BusRow, ConsumerRow, brought
from statscache.store.coverage import HeardRow
from statscache.store.times import between

#: A queue gets something a moment after it is said to, and clocks differ.
MOMENT = timedelta(seconds=SETTLE)


@dataclass(frozen=True)
class Member:
    """A queue that shares the messages, or did.

    :param begun: whether it is known from when on it does
    :param retired: whether it gets nothing more
    :param first: from when on something is still awaited from it; None for ever or never
    :param last: until when, where it is retired
    """

    begun: bool
    retired: bool
    first: datetime | None
    last: datetime | None

    @property
    def is_done(self) -> bool:
        """Whether nothing is awaited from it any more, nor ever will be."""
        return self.begun and self.retired and self.last is None


def bus_of(queue: str) -> str:
    """Return what the row of a queue is called."""
    return f"{AMQP}/{queue}"


def members(connection: Connection, name: str) -> dict[str, Member]:
    """Return the queues that share messages under a name, or did, in the order of their numbers."""
    if not inspect(connection).has_table(BusRow.__tablename__):
        return {}
    heard, awaited = BusRow.heard, EVER - brought()
    shown = func.lower_inf(heard), func.upper_inf(heard), func.lower(awaited), func.upper(awaited)
    rows = connection.execute(select(BusRow.bus, *shown)).all()
    form = re.compile(rf"{re.escape(bus_of(name))}-([1-9]\d*)")
    numbered = sorted((int(found[1]), row) for row in rows if (found := form.fullmatch(row[0])))
    return {row[0].removeprefix(bus_of("")): Member(*row[1:]) for _, row in numbered}


def join(engine: Engine, name: str, queues: Collection[str], lateness: float) -> None:
    """Note that queues share the messages from now on. To be called before any of them gets something.

    Where others share them already, a new one may get messages that were sent since now, less the lateness; until
    then nothing is awaited from it. Where none does yet, it is only known once `begin` is called; until then all is
    awaited. One that shares them already does so from when it did.

    :param lateness: how many seconds old a message may be when it comes
    """
    before = between(None, func.now() - timedelta(seconds=lateness))
    with counting(engine, patient=True) as connection:
        are_there = any(each.begun and not each.retired for each in members(connection, name).values())
        heard = before if are_there else text("'{}'")
        for queue in queues:
            row = insert(BusRow).values(bus=bus_of(queue), heard=heard)
            connection.execute(row.on_conflict_do_nothing())
        back = and_(_any_of(queues), func.upper_inf(BusRow.heard))
        connection.execute(update(BusRow).where(back).values(heard=BusRow.heard * before))


def begin(engine: Engine, name: str) -> None:
    """Note that the first queues of a name get all that is published from now on.

    What was published before can have gone nowhere, so no daemon covers it, whatever it has heard.
    """
    with counting(engine, patient=True) as connection:
        new = [queue for queue, member in members(connection, name).items() if not member.begun]
        before = between(None, func.now() + MOMENT)
        connection.execute(update(BusRow).where(_any_of(new)).values(heard=BusRow.heard + before))


def retire(engine: Engine, queue: str) -> None:
    """Note that a queue gets nothing more. To be called after that is so.

    What is in it is still awaited, until a daemon has heard the queue up to now.
    """
    with counting(engine, patient=True) as connection:
        stays = and_(_any_of([queue]), ~func.upper_inf(BusRow.heard))
        after = between(func.now() + MOMENT, None)
        connection.execute(update(BusRow).where(stays).values(heard=BusRow.heard + after))


def forget(engine: Engine, queue: str) -> None:
    """Delete the row of a queue from which nothing is awaited any more."""
    with counting(engine, patient=True) as connection:
        gone = delete(BusRow).where(_any_of([queue]), brought() == EVER).returning(BusRow.bus)
        for bus in connection.scalars(gone).all():
            connection.execute(delete(HeardRow).where(HeardRow.bus == bus))
            connection.execute(delete(ConsumerRow).where(ConsumerRow.bus == bus))


def _any_of(queues: Collection[str]) -> Any:
    return BusRow.bus.in_([bus_of(queue) for queue in queues])
