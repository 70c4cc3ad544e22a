"""Writing windows of durations: adding by how much they change."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Insert,
    SmallInteger,
    column,
    delete,
    select,
    table,
)

from statscache.database.arrays import array_of_numbers
from statscache.plugins.episodes import Change, Episodes
from statscache.plugins.upserts import arrays_of_keys, given, given_instants, given_keys, upsert
from statscache.plugins.windows import changing

#: What of each table is not kept any more, which is asked in the statement that writes.
NOT_KEPT = table("statscache_not_kept", column("table_name"), column("times"))


def apply_changes(session: Any, episodes: Episodes, changes: Iterable[Change]) -> None:
    """Add to windows by how much they change, and leave no row for what there is none of any more.

    :param session: a session or a connection
    :param changes: as `Episodes.changes` returns them
    """
    rows = sorted(changes)  # daemons that write the same rows do so in one order
    if not rows:
        return
    windows, *keys, buckets, volumes, seconds = zip(*rows, strict=True)
    numbers = {"windows": windows, "bucket": buckets, "volume": volumes, "seconds": seconds}
    arrays = arrays_of_keys(keys) | {name: array_of_numbers(its) for name, its in numbers.items()}
    options = changing(windows, episodes.length, len(rows))
    session.execute(_upsert(episodes), arrays, execution_options=options)
    if min(volumes) < 0:
        session.execute(_removal(episodes), arrays, execution_options=options)


def _changed(episodes: Episodes) -> list[Any]:
    """Return the primary keys of windows that are given as arrays, as columns."""
    keys = given_keys(episodes.keys)
    return [given_instants("windows", "timestamp"), *keys, given("bucket", SmallInteger)]


@lru_cache(1024)
def _upsert(episodes: Episodes) -> Insert:
    """Return what adds to rows, given an array for each column."""
    amounts = [given(name, BigInteger) for name in ("volume", "seconds")]
    return upsert(
        episodes.windows,
        _changed(episodes),
        amounts,
        lambda old, new: {its.name: old[its.name] + new[its.name] for its in amounts},
        kept=partial(_is_kept, episodes.windows.fullname),
    )


def _is_kept(table: str, row: Any) -> ColumnElement[bool]:
    """Return whether the window of a row is kept. A late begin can change an end whose window is not."""
    is_gone = NOT_KEPT.c.table_name == table, NOT_KEPT.c.times.op("@>")(row.timestamp)
    return ~select(NOT_KEPT.c.table_name).where(*is_gone).exists()


@lru_cache(1024)
def _removal(episodes: Episodes) -> Delete:
    """Return what deletes those of the rows that are given which count nothing any more."""
    its, given = episodes.windows, select(*_changed(episodes)).subquery("given")
    same = [its.c[key.name] == key for key in given.c]
    return delete(its).where(*same, its.c.volume <= 0)
