"""Writing windows of durations: adding by how much they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Delete,
    Double,
    Insert,
    Select,
    SmallInteger,
    Table,
    Text,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from statscache.database.arrays import array_of_numbers, array_of_texts, column_named
from statscache.plugins.episodes import Episodes
from statscache.plugins.windows import changing

#: By how much a row changes: its window, its keys, its bucket, its volume and its seconds.
Change = Sequence[Any]


def apply_changes(session: Any, episodes: Episodes, changes: Iterable[Change]) -> None:
    """Add to windows by how much they change, and leave no row for what there is none of any more.

    :param session: a session or a connection
    :param changes: as `Episodes.difference` selects them
    """
    rows = sorted(tuple(change) for change in changes)  # daemons that write the same rows do so in one order
    if not rows:
        return
    windows, *keys, buckets, volumes, seconds = zip(*rows, strict=True)
    arrays = {f"keys_{place}": array_of_texts(texts) for place, texts in enumerate(keys)}
    numbers = {"windows": windows, "buckets": buckets, "volumes": volumes, "seconds": seconds}
    arrays |= {name: array_of_numbers(its) for name, its in numbers.items()}
    options = changing(windows, episodes.length, len(rows))
    session.execute(_upsert(episodes), arrays, execution_options=options)
    if min(volumes) < 0:
        session.execute(_removal(episodes), arrays, execution_options=options)


def _changed(episodes: Episodes) -> list[Any]:
    """Return the primary keys of windows that are given as arrays, as columns."""
    return [
        func.to_timestamp(column_named("windows", Double)).label("timestamp"),
        *(column_named(f"keys_{place}", Text).label(name) for place, name in enumerate(episodes.keys)),
        column_named("buckets", SmallInteger).label("bucket"),
    ]


@lru_cache(1024)
def _upsert(episodes: Episodes) -> Insert:
    """Return what adds to rows, given an array for each column."""
    table: Table = episodes.windows
    amounts = [column_named(name, BigInteger) for name in ("volumes", "seconds")]
    rows: Select[Any] = select(*_changed(episodes), *amounts)
    unique = ["timestamp", *episodes.keys, "bucket"]
    statement = insert(table).from_select([*unique, "volume", "seconds"], rows, include_defaults=False)
    added = {name: table.c[name] + statement.excluded[name] for name in ("volume", "seconds")}
    return statement.on_conflict_do_update(index_elements=unique, set_=added)


@lru_cache(1024)
def _removal(episodes: Episodes) -> Delete:
    """Return what deletes those of the rows that are given which count nothing any more."""
    table, given = episodes.windows, select(*_changed(episodes)).subquery("given")
    same = [table.c[column.name] == column for column in given.c]
    return delete(table).where(*same, table.c.volume <= 0)
