"""What is noted of what a plugin has counted, when it starts in another version."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, DateTime, Interval, ScalarSelect, func, literal, null, select, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, insert

from statscache.hosting.loader import Part
from statscache.schema.tables import table_of
from statscache.store.coverage import CoverageRow
from statscache.store.versions import VersionRow

log = logging.getLogger(__name__)

SECOND = timedelta(seconds=1)
#: The end of the present second, by the database's clock.
NEXT = func.date_trunc("second", func.now()) + literal(SECOND, Interval)
NOTHING = text("'{}'::tstzmultirange")


def note_earlier_versions(connection: Connection, parts: Iterable[Part], recorded: Mapping[str, int]) -> None:
    """Note what plugins have counted by the versions that are recorded, where they start in another one now.

    :param connection: holds the lock of `statscache.database.lock.counting` alone
    :param recorded: the versions by plugin, of those that have ever started
    """
    for part in parts:
        earlier, its = recorded.get(part.ident), part.plugin.version
        if earlier is not None and earlier != its:
            log.info("%s counts by version %d from now on, instead of %d", part.ident, its, earlier)
            _note(connection, part, earlier)


def _note(connection: Connection, part: Part, version: int) -> None:
    """Note all that a plugin may have counted up to now, but for what is noted of some version already."""
    plugin = VersionRow.plugin == part.ident
    noted = select(func.unnest(VersionRow.times).label("part")).where(plugin).subquery()
    known = _united(select(func.range_agg(noted.c.part)).scalar_subquery())
    times = select((_past(part) + _later(part) - known).label("times")).subquery()
    rows = select(literal(part.ident), literal(version), times.c.times).where(~func.isempty(times.c.times))
    added = insert(VersionRow).from_select(["plugin", "version", "times"], rows)
    united = VersionRow.times + added.excluded.times
    connection.execute(
        added.on_conflict_do_update(index_elements=["plugin", "version"], set_={"times": united})
    )


def _past(part: Part) -> Any:
    """Return the time up to now, from when on the plugin has covered any or has a row."""
    covered = select(func.lower(CoverageRow.covered)).where(CoverageRow.plugin == part.ident)
    time = _time(part)
    first = null() if time is None else select(func.min(time)).scalar_subquery()
    start = func.coalesce(func.least(covered.scalar_subquery(), first, NEXT), NEXT)
    return func.tstzmultirange(func.tstzrange(start, NEXT), type_=TSTZMULTIRANGE)


def _later(part: Part) -> Any:
    """Return the windows that begin later and have rows, of messages that are dated ahead."""
    time, schedule = _time(part), part.plugin.schedule
    if time is None:
        return func.coalesce(NOTHING, type_=TSTZMULTIRANGE)
    length = literal(timedelta(seconds=schedule.seconds) if schedule else SECOND, Interval)
    windows = select(func.range_agg(func.tstzrange(time, time + length))).where(time >= NEXT)
    return _united(windows.scalar_subquery())


def _united(ranges: ScalarSelect[Any]) -> Any:
    return func.coalesce(ranges, NOTHING, type_=TSTZMULTIRANGE)


def _time(part: Part) -> Any:
    """Return the column of a plugin's table by which its rows are dated, as an instant; None if it has none."""
    table = table_of(part)
    column = None if table is None else table.c.get("timestamp")
    if column is None or not isinstance(getattr(column.type, "impl_instance", column.type), DateTime):
        return None
    aware = getattr(column.type, "timezone", True)
    return column if aware else func.timezone("UTC", column)
