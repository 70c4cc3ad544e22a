"""What each bus has brought, where more than one is listened to: a time is complete when all of them have heard it.

While a single bus is known its daemons cover what they have heard, and nothing is kept of it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, insert
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.lock import counting
from statscache.plugins import Base
from statscache.span import Span
from statscache.store.coverage import bounds, ranges


class BusRow(Base):
    """A bus that daemons listen to, or have listened to."""

    __tablename__ = "statscache_bus"
    __table_args__ = (
        {"comment": "The buses that messages come from; delete the row of one that is listened to no more"},
    )

    bus: Mapped[str] = mapped_column(primary_key=True, comment="fedmsg or amqp")
    heard: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE,
        server_default="{}",
        comment="the time of which all is counted that it brought, with that before it was listened to",
    )


class Buses:
    """Limits what a daemon covers to what the other buses have brought.

    :param bus: the one that this daemon listens to
    :param alike: whether all buses carry the same messages, so that it is enough that one has heard a time
    """

    def __init__(self, bus: str, alike: bool) -> None:
        self._bus = bus
        self._alike = alike

    def open(self, engine: Engine) -> None:
        """Let the daemons on other buses know that this one is listened to, from now on if it was not before."""
        with counting(engine, patient=True) as connection:
            self._begin(connection, func.tstzmultirange(func.tstzrange(None, func.now())))

    def _begin(self, connection: Connection, heard: Any) -> None:
        row = insert(BusRow).values(bus=self._bus, heard=heard)
        connection.execute(row.on_conflict_do_nothing())

    def limit(self, connection: Connection, heard: Span | None) -> Sequence[Span]:
        """Return what may be covered once the daemon has heard a span, oldest first."""
        if heard is None:
            return []
        if self._alike:
            return [heard]
        others = select(func.count(), func.range_intersect_agg(BusRow.heard, type_=TSTZMULTIRANGE))
        number, common = connection.execute(others.where(BusRow.bus != self._bus)).one()
        if not number:
            return [heard]
        self._begin(connection, text("'{}'"))
        self._write(connection, BusRow.heard + ranges(heard))
        return _spans(connection, heard, common)

    def lose(self, connection: Connection, span: Span) -> None:
        """Note that messages of a span are lost."""
        self._write(connection, BusRow.heard - ranges(span))

    def _write(self, connection: Connection, heard: Any) -> None:
        connection.execute(update(BusRow).where(BusRow.bus == self._bus).values(heard=heard))


def _spans(connection: Connection, heard: Span, common: Any) -> list[Span]:
    """Return what of a span lies in ranges."""
    both = ranges(heard) * literal(common, TSTZMULTIRANGE)
    each = select(func.unnest(both).label("range")).subquery("each")
    rows = connection.execute(select(*bounds(each.c.range)).order_by(each.c.range)).all()
    return [Span(row[0], row[1]) for row in rows]
