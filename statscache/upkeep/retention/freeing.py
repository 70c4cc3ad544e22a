"""How many rows `statscache.keep` would drop now."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from statscache.span import Span, clipped
from statscache.store.growth import Growing
from statscache.store.sample import NOT_READABLE, Estimate, Stretch, estimate, estimated
from statscache.upkeep.retention.outlook import look
from statscache.upkeep.retention.tables import Retained
from statscache.upkeep.retention.windows import EVER

NOTHING = Estimate(0.0, 1.0)


def would_free(connection: Connection, its: Retained, table: Growing | None) -> Estimate:
    """Return about how many rows of a table are to be dropped now.

    :param table: the same, as it can be sampled; None where it cannot
    """
    if its.windows is None or its.fault:
        return NOTHING
    if table is None:
        return Estimate(reason="no index of it begins with the time")
    if not table.readable:
        return Estimate(reason=NOT_READABLE)
    return estimated(connection, lambda: _estimate(connection, its, table))


def _estimate(connection: Connection, its: Retained, table: Growing) -> Estimate:
    pending = look(connection, its).pending
    first = connection.scalar(select(func.min(its.table.c.timestamp))) if pending else None
    spans = [] if first is None else clipped(pending, [Span(max(0, int(first.timestamp())), EVER.stop)])
    return estimate(connection, _stretch(table, spans)) if spans else NOTHING


def _stretch(table: Growing, spans: list[Span]) -> Stretch:
    ends = [(datetime.fromtimestamp(its.start, UTC), datetime.fromtimestamp(its.stop, UTC)) for its in spans]
    times = ",".join(f"[{start.isoformat()},{stop.isoformat()})" for start, stop in ends)
    seconds = float(sum(its.seconds for its in spans))
    return Stretch(table.sql, table.interval, ends[0][0], ends[-1][1], f"{{{times}}}", seconds)
