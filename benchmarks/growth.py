"""What more plugins cost, and bigger tables."""

from __future__ import annotations

import shutil
from typing import Any

from sqlalchemy import Engine, create_engine, text

from benchmarks import flush
from benchmarks.bench import Bench
from benchmarks.end_to_end import send
from benchmarks.figures import Bar, Figure
from benchmarks.growing import table
from benchmarks.hubs import path_with
from benchmarks.intake import ACCEPT_CPU, measure
from benchmarks.messages import CATEGORIES
from benchmarks.tables import BEGIN, WIDTH, Kind, counting
from benchmarks.variables import PLUGINS

COST = Bar(most=4)
FULL = Bar(ratio=0.7)
OURS = [
    *("volume", "volume_by_category", "releng", "pagure", "pagure_users", "pagure_project", "notes"),
    *("koji_builds", "copr_builds", "bodhi_updates", "pagure_requests_and_issues", "pungi_composes"),
]
ENTRIES = {"statscache.plugin": "growing = benchmarks.growing:plugins"}
#: What a row, its indexes and the write-ahead log take at most.
BYTES = 250
#: Rows end where flushes begin, so many a second.
FILL = """
    INSERT INTO {table} (timestamp, {key}, volume)
    SELECT to_timestamp({end} - 1 - n / {width}), 'topic' || lpad((n % {width})::text, 3, '0'), 1
    FROM generate_series({rows} - 1, 0, -1) n
"""


def growth(bench: Bench) -> list[Figure]:
    """Intake and burst with few and with many counting plugins; flushes into tables that are full."""
    return [*_plugins(bench), *_rows(bench)]


def _plugins(bench: Bench) -> list[Figure]:
    few, many = bench.sizes.plugins
    intakes = {count: _intake(bench, count) for count in (few, many)}
    bursts = {count: _burst(bench, count) for count in (few, many)}
    control = f"with {few}"
    return [
        Figure(f"intake with {few} counting plugins, processor time", "µs/message", intakes[few]),
        Figure(f"intake with {many}, processor time", "µs/message", intakes[many], intakes[few], control),
        Figure(
            f"intake with {many} by intake with {few}",
            "times",
            [much / little for much, little in zip(intakes[many], intakes[few], strict=True)],
            bar=COST,
        ),
        Figure(f"burst with {few} counting plugins", "messages/s", bursts[few]),
        Figure(f"burst with {many}", "messages/s", bursts[many], bursts[few], control),
    ]


def _environment(bench: Bench, count: int) -> dict[str, str]:
    return {PLUGINS: str(count), **path_with(bench.place(), ENTRIES)}


def _settings() -> dict[str, Any]:
    return {"statscache.plugins.disabled": OURS}


def _intake(bench: Bench, count: int) -> list[float]:
    bench.say(f"intake with {count} counting plugins")
    with bench.database() as url:
        return measure(bench, url, _settings(), **_environment(bench, count))[ACCEPT_CPU]


def _burst(bench: Bench, count: int) -> list[float]:
    bench.say(f"burst with {count} counting plugins")
    return [_one_burst(bench, count) for _ in range(bench.rounds)]


def _one_burst(bench: Bench, count: int) -> float:
    number = bench.sizes.short
    path = bench.messages("burst", number)
    with bench.database() as url:
        seconds = send(bench, url, path, number, _settings(), table(0), **_environment(bench, count))
        bench.note(f"{count} counting plugins, tables", _wrong_tables(url, count, number))
    return number / seconds


def _wrong_tables(url: str, count: int, messages: int) -> int:
    """Return how many of the tables do not hold every message in the categories there are."""
    engine = create_engine(url)
    with engine.connect() as connection:
        query = "SELECT sum(volume), count(DISTINCT category) <= {} FROM {}"
        wanted = (messages, True)
        names = (table(number) for number in range(count))
        found = [connection.execute(text(query.format(len(CATEGORIES) + 1, name))).one() for name in names]
    engine.dispose()
    return sum(tuple(row) != wanted for row in found)


def _rows(bench: Bench) -> list[Figure]:
    """Flush into a full table and an empty one by turns."""
    rows = bench.sizes.rows
    _check_room(bench, rows)
    with bench.database() as url:
        engine = create_engine(url)
        full, empty = counting("growth_full"), counting("growth_empty")
        for kind in (full, empty):
            kind.table.create(engine)
        bench.say(f"filling a table with {rows:,} rows")
        _fill(engine, full, rows)
        engine.dispose()
        figures = flush.compare(bench, url, full, empty)
    for figure in figures:
        figure.bar = FULL
        figure.name = f"{figure.name} on {rows:,} rows"
        figure.control_is = "the same on an empty table"
    return figures


def _check_room(bench: Bench, rows: int) -> None:
    """Check that the disk has room for so many rows and their indexes.

    :raises RuntimeError: if not
    """
    needed, free = rows * BYTES, shutil.disk_usage(bench.directory).free
    if needed > free:
        raise RuntimeError(
            f"{rows:,} rows take about {needed / 1e9:.0f} GB and {bench.directory} has {free / 1e9:.0f} GB left: "
            "ask for fewer with --rows, or set TMPDIR to another disk"
        )


def _fill(engine: Engine, kind: Kind, rows: int) -> None:
    statement = FILL.format(table=kind.table.name, key="topic", end=BEGIN, width=WIDTH, rows=rows)
    with engine.begin() as connection:
        connection.execute(text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM ANALYZE {kind.table.name}"))
