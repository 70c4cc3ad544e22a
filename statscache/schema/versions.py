"""What is noted of what a plugin has counted, when it starts in another version."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, DateTime, Interval, func, literal, select, text, union
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, insert

from statscache.hosting.loader import Part
from statscache.plugins import FirstSeenModel
from statscache.plugins.first_seen import OWN
from statscache.schema.tables import table_of
from statscache.store.coverage import CoverageRow
from statscache.store.versions import VersionRow

log = logging.getLogger(__name__)

#: The column with the instants of rows, unless these are of first and last times.
TIME = "timestamp"
SECOND = timedelta(seconds=1)
NOTHING, ALL = (text(f"'{ranges}'::tstzmultirange") for ranges in ("{}", "{(,)}"))
EVER = text("'-infinity'::timestamptz"), text("'infinity'::timestamptz")


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
    """Note all that a plugin has counted, but for what is noted of some version already."""
    its = VersionRow.plugin == part.ident
    noted = select(func.unnest(VersionRow.times).label("part")).where(its).subquery()
    known = select(func.range_agg(noted.c.part)).scalar_subquery()
    covered = select(CoverageRow.covered).where(CoverageRow.plugin == part.ident).scalar_subquery()
    times = _ranges(covered) + _ranges(_beside(part, covered)) - _ranges(known)
    its_times = select(times.label("times")).subquery()
    rows = select(literal(part.ident), literal(version), its_times.c.times)
    added = insert(VersionRow).from_select(
        ["plugin", "version", "times"], rows.where(~func.isempty(its_times.c.times))
    )
    united = {"times": VersionRow.times + added.excluded.times}
    connection.execute(added.on_conflict_do_update(index_elements=["plugin", "version"], set_=united))


def _beside(part: Part, covered: Any) -> Any:
    """Return the windows with rows that begin when nothing is covered, as where some messages were lost.

    Of rows that do not say of which time they are, that can be all time until now.
    """
    times, schedule = _times(part), None if _has_first_times(part) else part.plugin.schedule
    if not times:
        return func.tstzmultirange(func.tstzrange(None, func.now()))
    length = literal(timedelta(seconds=schedule.seconds) if schedule else SECOND, Interval)
    rest = func.coalesce(ALL, type_=TSTZMULTIRANGE) - _ranges(covered)
    gap = select(func.unnest(rest).label("gap")).subquery()
    start, stop = (
        func.coalesce(end(gap.c.gap), ever) for end, ever in zip((func.lower, func.upper), EVER, strict=True)
    )
    each = [select(time.label("start")).join(gap, (time >= start) & (time < stop)) for time in times]
    starts = union(*each).subquery()
    return select(func.range_agg(func.tstzrange(starts.c.start, starts.c.start + length))).scalar_subquery()


def _ranges(ranges: Any) -> Any:
    """Return a multirange, which is null for an empty one."""
    return func.coalesce(ranges, NOTHING, type_=TSTZMULTIRANGE)


def _times(part: Part) -> list[Any]:
    """Return the columns of a plugin's table that say of which instants its rows are; none if that is not known."""
    table, names = table_of(part), OWN if _has_first_times(part) else (TIME,)
    if table is None or not all(_has_instants(table.c.get(name)) for name in names):
        return []
    columns = [table.c[name] for name in names]
    return [
        column if getattr(column.type, "timezone", True) else func.timezone("UTC", column)
        for column in columns
    ]


def _has_first_times(part: Part) -> bool:
    model = part.plugin.model
    return isinstance(model, type) and issubclass(model, FirstSeenModel)


def _has_instants(column: Any) -> bool:
    return column is not None and isinstance(getattr(column.type, "impl_instance", column.type), DateTime)
