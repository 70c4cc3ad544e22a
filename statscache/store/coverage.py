"""What the tables hold in full, and what is missing from them.

A plugin has **covered** a second of bus time when every message of it counts for the plugin, or is in the quarantine
for it. What takes a connection is called with one that holds the lock of `statscache.database.lock.counting`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    Update,
    any_,
    bindparam,
    cast,
    extract,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.arrays import column_of_numbers
from statscache.plugins import Base
from statscache.span import Span
from statscache.store.kept_back_table import KeptRow
from statscache.store.not_kept import not_needed
from statscache.store.times import between, bounds, given_instant, possible, ranges, until
from statscache.store.verification import clip

LOCK_ROWS = text(
    "SELECT plugin FROM statscache_coverage WHERE plugin = ANY (CAST(:plugins AS text[])) ORDER BY plugin FOR UPDATE"
)


class CoverageRow(Base):
    """What a plugin has counted in full."""

    __tablename__ = "statscache_coverage"
    # It is written at each flush: room in its pages lets a new version of a row lie beside the old one.
    __table_args__ = (
        {
            "comment": "What each plugin has counted in full; statscache_freshness has it for each table",
            "postgresql_with": {"fillfactor": 50},
        },
    )

    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    covered: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE,
        server_default="{}",
        comment="the bus time of which every message counts, or is in the quarantine",
    )
    since: Mapped[datetime] = mapped_column(comment="history is wanted from here on")
    pruned: Mapped[Any | None] = mapped_column(
        TSTZMULTIRANGE, comment="the bus time of which events were deleted that nothing needs; null for none"
    )
    late: Mapped[int] = mapped_column(
        server_default="0", comment="how many messages came after their time was covered; they count"
    )
    updated: Mapped[datetime] = mapped_column(comment="when it last counted, or had nothing to count")


class HeardRow(Base):
    """What of a source a plugin has counted, where there is more than one."""

    __tablename__ = "statscache_heard"
    __table_args__ = (
        {
            "comment": "What each plugin has counted of each bus and shared queue, where there is more than one",
            "postgresql_with": {"fillfactor": 50},
        },
    )

    bus: Mapped[str] = mapped_column(primary_key=True, comment="as in statscache_bus")
    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    heard: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE,
        server_default="{}",
        comment="the bus time of which all that it brought counts, or is in the quarantine",
    )


def want(connection: Connection, since: Mapping[str, datetime]) -> None:
    """Note from when on each plugin wants history."""
    rows = [{"plugin": plugin, "since": start} for plugin, start in since.items()]
    statement = postgresql.insert(CoverageRow).values(updated=func.now())
    newer = {"since": statement.excluded.since}
    connection.execute(statement.on_conflict_do_update(index_elements=["plugin"], set_=newer), rows)


def lock_coverage(connection: Connection, plugins: Collection[str]) -> None:
    """Lock the rows of these plugins, in an order that is the same for all."""
    connection.execute(LOCK_ROWS, {"plugins": list(plugins)})


def cover(
    connection: Connection,
    plugins: Collection[str],
    span: Span | None,
    late: int = 0,
    wall: Callable[[], float] = time.time,
    within: Any = None,
) -> None:
    """Note that these plugins have counted, and covered a span, as far as it is over.

    A second of which a copy is kept back is not covered: that is still to count.

    What was covered by a clock that was ahead and has been set back is taken away: it has not come yet.

    :param span: None for nothing
    :param late: how many messages came when their time had been covered
    :param wall: this machine's clock, in seconds since 1970
    :param within: what the span is limited to, for the plugin of a row; None for no limit
    """
    given: dict[str, Any] = {"wall": wall(), "plugins": list(plugins)}
    if span is not None:
        given |= {"start": span.start, "stop": span.stop}
    if late:
        given["late"] = late
    connection.execute(_covering(span is not None, bool(late), within), given)


@lru_cache(maxsize=64)
def _covering(is_more: bool, is_late: bool, within: Any) -> Update:
    """Return what notes what is covered: for each flush the same, as it takes a while to make.

    :param is_more: whether a span is covered
    :param is_late: whether messages were late
    """
    have = CoverageRow.covered
    if is_more:
        start, stop = given_instant("start"), given_instant("stop")
        new = between(start, stop) * until(func.now()) - _kept_back(start, stop)
        have = have + (new if within is None else new * within)
    values: dict[str, Any] = {"updated": func.now(), "covered": have * possible()}
    if is_late:
        values["late"] = CoverageRow.late + bindparam("late", type_=BigInteger)
    its = CoverageRow.plugin == any_(cast(bindparam("plugins"), ARRAY(Text)))
    return update(CoverageRow).where(its).values(**values)


def _kept_back(start: Any, stop: Any) -> Any:
    """Return the seconds between two instants of which copies are kept back, as a multirange."""
    second = func.tstzrange(KeptRow.timestamp, KeptRow.timestamp + text("interval '1 second'"))
    inside = KeptRow.timestamp >= start, KeptRow.timestamp < stop
    seconds = select(func.range_agg(second, type_=TSTZMULTIRANGE)).where(*inside).scalar_subquery()
    return func.coalesce(seconds, text("'{}'::tstzmultirange"), type_=TSTZMULTIRANGE)


def of_covered(connection: Connection, plugins: Collection[str], seconds: Collection[int]) -> set[int]:
    """Return which of some seconds any of these plugins has covered."""
    if not seconds:
        return set()
    each = select(column_of_numbers(set(seconds), BigInteger).label("second")).subquery("each")
    has = CoverageRow.covered.contains(func.to_timestamp(each.c.second))
    any_has = select(CoverageRow.plugin).where(CoverageRow.plugin.in_(plugins), has).exists()
    return set(connection.scalars(select(each.c.second).where(any_has)))


def uncover(connection: Connection, plugins: Collection[str], span: Span) -> None:
    """Note that these plugins lack messages of a span, whichever source has brought them."""
    less, heard = CoverageRow.covered - ranges(span), HeardRow.heard - ranges(span)
    connection.execute(update(CoverageRow).where(CoverageRow.plugin.in_(plugins)).values(covered=less))
    connection.execute(update(HeardRow).where(HeardRow.plugin.in_(plugins)).values(heard=heard))
    clip(connection, plugins, [span])


def lacking(connection: Connection, plugins: Collection[str], span: Span) -> frozenset[str]:
    """Return which of these plugins have covered no second of the span."""
    query = select(CoverageRow.plugin).where(
        CoverageRow.plugin.in_(plugins), ~CoverageRow.covered.overlaps(ranges(span))
    )
    return frozenset(connection.scalars(query))


def covered(connection: Connection, plugins: Collection[str], span: Span) -> dict[str, list[Span]]:
    """Return what of a span each of these plugins has covered, oldest first."""
    return _spans(connection, plugins, CoverageRow.covered * ranges(span))


def gaps(connection: Connection, plugins: Collection[str], span: Span) -> dict[str, list[Span]]:
    """Return what of a span each of these plugins has not covered, oldest first, without what it need not."""
    needless = not_needed("statscache_coverage.plugin")
    return _spans(connection, plugins, ranges(span) - CoverageRow.covered - needless)


def wanted(connection: Connection, plugins: Collection[str]) -> dict[str, int]:
    """Return from which second on each of these plugins wants history."""
    second = cast(func.ceil(extract("epoch", CoverageRow.since)), BigInteger)
    query = select(CoverageRow.plugin, second).where(CoverageRow.plugin.in_(plugins))
    return dict(connection.execute(query).all())


def _spans(connection: Connection, plugins: Collection[str], found: Any) -> dict[str, list[Span]]:
    query = select(CoverageRow.plugin, func.unnest(found).label("range")).where(
        CoverageRow.plugin.in_(plugins)
    )
    each = query.subquery("each")
    spans: dict[str, list[Span]] = {plugin: [] for plugin in plugins}
    rows = connection.execute(select(each.c.plugin, *bounds(each.c.range)).order_by(each.c.range))
    for plugin, start, stop in rows:
        spans[plugin].append(Span(start, stop))
    return spans
