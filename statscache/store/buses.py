"""What each bus has brought, where more than one is listened to: a time is complete when all of them have heard it.

The same holds for the queues among which a bus shares its messages, each of which is a source of its own. While there
is a single source its daemons cover what they have heard, and nothing is kept of it here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Text,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSTZMULTIRANGE, Insert, insert
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.lock import counting
from statscache.plugins import Base
from statscache.span import Span
from statscache.store.coverage import CoverageRow, HeardRow
from statscache.store.times import between, given_instant, possible, until

#: All time there is.
EVER = literal_column("'{(,)}'::tstzmultirange", TSTZMULTIRANGE)
NEVER = cast("{}", TSTZMULTIRANGE)


class BusRow(Base):
    """A source of messages: a bus that daemons listen to, or a queue of one that shares its messages."""

    __tablename__ = "statscache_bus"
    __table_args__ = (
        {"comment": "The buses that messages come from; delete the row of one that is listened to no more"},
    )

    bus: Mapped[str] = mapped_column(
        primary_key=True, comment="fedmsg or amqp, or amqp/ and a queue that shares its messages with others"
    )
    heard: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE,
        server_default="{}",
        comment="the time of which nothing is awaited from it, such as that before it was listened to",
    )


class ConsumerRow(Base):
    """Who was the last to commit what it had consumed of a source."""

    __tablename__ = "statscache_consumer"
    __table_args__ = (
        {"comment": "Which daemon was the last to consume each bus, or queue, that has queues"},
    )

    bus: Mapped[str] = mapped_column(primary_key=True, comment="as in statscache_bus")
    spool: Mapped[str] = mapped_column(comment="the name of that daemon's spool")
    written: Mapped[datetime] = mapped_column(comment="when its last commit began")


def brought() -> Any:
    """Return, for a row of a source, of which time nothing is awaited from it, or all its plugins have counted it.

    These are all plugins that have counted anything of any source.
    """
    plugins = select(HeardRow.plugin).distinct().subquery("plugins")
    own = (HeardRow.plugin == plugins.c.plugin) & (HeardRow.bus == BusRow.bus)
    counted = (
        select(func.range_intersect_agg(func.coalesce(HeardRow.heard, NEVER), type_=TSTZMULTIRANGE))
        .select_from(plugins.outerjoin(HeardRow, own))
        .correlate(BusRow)
    )
    return BusRow.heard + func.coalesce(counted.scalar_subquery(), NEVER, type_=TSTZMULTIRANGE)


class Buses:
    """Limits what a daemon covers to what the other sources have brought.

    :param bus: the one that this daemon listens to
    :param alike: whether all buses carry the same messages, so that it is enough that one has heard a time
    :param queues: those of the bus that this daemon consumes
    """

    def __init__(self, bus: str, alike: bool, queues: Collection[str] = ()) -> None:
        self._bus = bus
        self._alike = alike
        self._queues = queues
        self._listen_to([bus])

    def _listen_to(self, sources: Sequence[str]) -> None:
        """Note the sources, and make what each flush asks of them, as that takes a while."""
        self._sources = list(sources)
        self._common = self._find_common()
        self._noting = self._find_noting()
        self._beginning = self._find_beginning()

    def open(self, engine: Engine) -> None:
        """Find out which sources are this daemon's own, and let others know of them.

        A source that was not listened to before is from now on.
        """
        with counting(engine, patient=True) as connection:
            shared = [f"{self._bus}/{queue}" for queue in self._queues]
            known = sorted(connection.scalars(select(BusRow.bus).where(BusRow.bus.in_(shared))))
            self._listen_to(known if shared and len(known) == len(shared) else [*known, self._bus])
            connection.execute(self._find_beginning(between(None, func.now())))

    def note(self, connection: Connection, plugins: Collection[str], heard: Span) -> None:
        """Note that these plugins have counted all that this daemon's sources have brought of a span."""
        connection.execute(self._beginning)
        sources, its = zip(*sorted(product(self._sources, plugins)), strict=True)
        given = {"buses": list(sources), "plugins": list(its), "wall": time.time()}
        connection.execute(self._noting, {"start": heard.start, "stop": heard.stop, **given})

    def _find_noting(self) -> Insert:
        columns = (cast(bindparam(name), ARRAY(Text)) for name in ("buses", "plugins"))
        given = func.unnest(*columns).table_valued("bus", "plugin").render_derived("given")
        heard = between(given_instant("start"), given_instant("stop")) * until(func.now())
        rows = select(given.c.bus, given.c.plugin, heard).where(exists().where(self._is_another()))
        new = insert(HeardRow).from_select(["bus", "plugin", "heard"], rows)
        whole = (HeardRow.heard + new.excluded.heard) * possible()
        return new.on_conflict_do_update(index_elements=["bus", "plugin"], set_={"heard": whole})

    def sign(self, connection: Connection, spool: str) -> None:
        """Note that the daemon with this spool commits what it has consumed; nothing for a bus without queues."""
        if self._queues:
            each = func.unnest(cast(self._sources, ARRAY(Text))).column_valued("source")
            rows = select(each, literal(spool), func.now())
            new = insert(ConsumerRow).from_select(["bus", "spool", "written"], rows)
            newer = {"spool": new.excluded.spool, "written": new.excluded.written}
            connection.execute(new.on_conflict_do_update(index_elements=["bus"], set_=newer))

    def have_last(self, engine: Engine, spool: str, written: str) -> bool:
        """Return whether the daemon with that spool was the last that consumed, and its commits are there.

        :param written: when the last of them that is to be there began, in ISO 8601
        """
        has_last = (ConsumerRow.spool == spool) & (ConsumerRow.written >= datetime.fromisoformat(written))
        with counting(engine, patient=True) as connection:
            found = connection.scalars(
                select(ConsumerRow.bus).where(ConsumerRow.bus.in_(self._sources), has_last)
            )
            return set(found) == set(self._sources)

    def common(self) -> Any:
        """Return what of the time this daemon can have heard, and all other sources have brought.

        The latter is for the plugin of a row of coverage.
        """
        return self._common

    def _find_common(self) -> Any:
        heard = BusRow.heard + func.coalesce(HeardRow.heard, NEVER)
        of_plugin = (HeardRow.bus == BusRow.bus) & (HeardRow.plugin == CoverageRow.plugin)
        others = (
            select(func.range_intersect_agg(heard, type_=TSTZMULTIRANGE))
            .select_from(BusRow)
            .outerjoin(HeardRow, of_plugin)
            .where(self._is_another())
            .correlate(CoverageRow)
        )
        return func.coalesce(others.scalar_subquery(), EVER, type_=TSTZMULTIRANGE) * self._shared()

    def _shared(self) -> Any:
        """Return the time in which this daemon's queues get what is theirs, of those that share messages.

        What was published before can have gone nowhere, though the queue was there; one that is retired gets nothing.
        """
        queues = [source for source in self._sources if source != self._bus]
        gets = case((func.lower_inf(BusRow.heard), EVER - BusRow.heard), else_=NEVER)
        each = select(func.range_intersect_agg(gets, type_=TSTZMULTIRANGE)).where(BusRow.bus.in_(queues))
        return func.coalesce(each.scalar_subquery(), EVER, type_=TSTZMULTIRANGE) if queues else EVER

    def _is_another(self) -> Any:
        """Return whether a row is of another source, of this bus where all carry the same."""
        another = BusRow.bus.not_in(self._sources)
        if self._alike:
            return another & or_(
                BusRow.bus == self._bus, BusRow.bus.startswith(f"{self._bus}/", autoescape=True)
            )
        return another

    def _find_beginning(self, heard: Any = NEVER) -> Insert:
        each = func.unnest(cast(self._sources, ARRAY(Text))).column_valued("source")
        rows = select(each, heard)
        return insert(BusRow).from_select(["bus", "heard"], rows).on_conflict_do_nothing()
