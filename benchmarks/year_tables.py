"""Loads a year of traffic: by history, or by writing the rows that come of it in the order in which history does."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.year import START, STOP, AsMade, Year
from benchmarks.year_counts import BUILDS, NEWCOMERS, SELECTS, Counts
from statscache.app import App, open_app
from statscache.history.slice_counter import SliceCounter
from statscache.messages.message import Message
from statscache.plugins.in_windows import tables_of

COVERED = text("""
    UPDATE statscache_coverage SET since = to_timestamp(:start), updated = now(),
        covered = tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))
""")
COLUMNS = {
    NEWCOMERS: "agent, category, first, last",
    BUILDS: "timestamp, outcome, bucket, volume, seconds, instance",
}


def open_year(url: str) -> App:
    """Return the plugins that count, with tables that are empty."""
    app = open_app({"statscache.sqlalchemy.uri": url, "statscache.consumer.epoch": "2023-01-01"})
    return App(app.settings, app.engine, app.parts, AsMade(), app.suspensions)


def by_history(app: App, year: Year, counts: Counts) -> Iterator[int]:
    """Count the year slice by slice as archives are counted, and with a program of our own; yield each slice's size."""
    counter = SliceCounter(app)
    plugins = frozenset(
        ident
        for ident, plugin in app.plugins.items()
        if any(t.name in SELECTS for t in tables_of(plugin.model))
    )
    for span, bodies in year.slices():
        counts.add(bodies)
        yield counter.count_all((Message(body, app.naming) for body in bodies), span, plugins)


def by_rows(app: App, year: Year, counts: Counts) -> Iterator[int]:
    """Count the year with our own program alone, yield each slice's size, and write what comes of it at the end."""
    for _, bodies in year.slices():
        counts.add(bodies)
        yield len(bodies)
    for table, cells in counts.tables():
        _copy(app.engine, year, table, cells)
    with app.engine.begin() as connection:
        connection.execute(COVERED, {"start": START, "stop": STOP})


def _copy(engine: Engine, year: Year, table: str, cells: Mapping[tuple[Any, ...], Any]) -> None:
    """Write rows as history does: the newest slice first, in one statement for each."""
    slices: dict[int, list[str]] = defaultdict(list)
    for about, figure in cells.items():
        second = figure[0] if table == NEWCOMERS else about[0]
        slices[year.start_of(second)].append(_line(table, about, figure))
    columns = COLUMNS.get(table) or SELECTS[table].replace(
        "extract(epoch FROM timestamp)::bigint", "timestamp"
    )
    connection = engine.raw_connection()
    with closing(connection.cursor()) as cursor:
        for start in sorted(slices, reverse=True):
            rows = io.StringIO("".join(sorted(slices.pop(start))))
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)
            connection.commit()
    connection.close()


def _line(table: str, about: Iterable[Any], figure: Any) -> str:
    if table == NEWCOMERS:
        return "\t".join([*about, *map(_instant, figure)]) + "\n"
    second, *keys = about
    figures = [*figure, "primary"] if table == BUILDS else [figure]
    return "\t".join(map(str, [_instant(second), *keys, *figures])) + "\n"


def _instant(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
