"""Which periods have no figures, as any of their time is not kept any more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from statscache.query.periods import Period
from statscache.query.tables import Served
from statscache.span import Span
from statscache.store.not_kept import not_kept


def lost_periods(connection: Connection, table: Served, periods: Sequence[Period]) -> frozenset[int]:
    """Return the places of the periods, which are in order, of which any time is not kept of a table any more."""
    if not periods:
        return frozenset()
    name = table.table.fullname
    spans = not_kept(connection, [name], Span(periods[0].start, periods[-1].stop))[name]
    return frozenset(
        place
        for place, period in enumerate(periods)
        if any(span.start < period.stop and span.stop > period.start for span in spans)
    )
