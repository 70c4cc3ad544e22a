"""How fast rows are written, beside bare `execute_values` of the same rows into a table of the same definition."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from psycopg2.extras import execute_values
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.tables import Kind, counting, latest, ledger
from statscache.database.engine import make_engine
from statscache.messages.message import Message

#: From so many keys on a flush must reach a share of the control.
MANY, BAR = 10_000, Bar(ratio=0.8)
VALUES = "execute_values"
#: The control sends so many rows in a statement; more are not faster.
PAGE = 1_000
#: At most so many flushes of a size, and at least so many.
MOST, LEAST = 25, 3


def flush(bench: Bench) -> list[Figure]:
    """Write each kind of table, by plugin and by the control in turns."""
    figures: list[Figure] = []
    kinds = [
        counting("flush_volume", key=False),
        counting("flush_by_topic"),
        latest("flush_latest"),
        ledger(),
    ]
    with bench.database() as url:
        for kind in kinds:
            bench.say(f"flush, {kind.name}")
            figures += _compare_with_values(bench, url, kind)
    return figures


@dataclass
class Writer:
    """Writes rows and keeps the seconds that took, for new rows and for rows that are there."""

    write: Callable[[range, bool], float]
    seconds: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})

    def go(self, numbers: range, again: bool) -> None:
        """Write the rows of these numbers."""
        self.seconds[again].append(self.write(numbers, again))


def compare(bench: Bench, url: str, kind: Kind, other: Kind) -> list[Figure]:
    """Return the rates of a kind beside those of another."""
    engine = make_engine(url)
    figures: list[Figure] = []
    first = 0
    for keys in bench.sizes.keys:
        writers = _by_plugin(engine, kind), _by_plugin(engine, other)
        first = _take_turns(bench, writers, keys, first)
        figures += _figures(kind.name, keys, *writers, control_is="")
    engine.dispose()
    return figures


def _compare_with_values(bench: Bench, url: str, kind: Kind) -> list[Figure]:
    engine = make_engine(url)
    kind.table.metadata.create_all(engine, [kind.table, *kind.beside])
    control = f"{kind.name}_control"
    figures: list[Figure] = []
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {control} (LIKE {kind.name} INCLUDING ALL)"))
    for keys in bench.sizes.keys:
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {kind.name}, {control}"))
        writers = _by_plugin(engine, kind), _by_values(engine, kind, control)
        _take_turns(bench, writers, keys, 0)
        figures += _figures(kind.name, keys, *writers, control_is=VALUES, bar=BAR if keys >= MANY else None)
    engine.dispose()
    return figures


def _take_turns(bench: Bench, writers: Sequence[Writer], keys: int, first: int) -> int:
    """Let each write the same rows, new and once more, and again from the next rows on; return which come next."""
    repeats = min(max(bench.sizes.repeats // keys, min(LEAST, bench.rounds)), MOST)
    for repeat in range(repeats):
        numbers = range(first, first := first + keys)
        for again in (False, True):
            for writer in writers if repeat % 2 else reversed(writers):
                writer.go(numbers, again)
    return first


def _figures(
    name: str, keys: int, own: Writer, control: Writer, control_is: str, bar: Bar | None = None
) -> list[Figure]:
    return [
        Figure(
            f"flush, {name}, {keys:,} {'existing' if again else 'new'}",
            "rows/s",
            [keys / seconds for seconds in own.seconds[again]],
            [keys / seconds for seconds in control.seconds[again]],
            control_is,
            bar,
        )
        for again in (False, True)
    ]


def _by_plugin(engine: Engine, kind: Kind) -> Writer:
    plugin = kind.make()

    def write(numbers: range, again: bool) -> float:
        for number in numbers:
            plugin.process(Message(kind.body(number, again)))
        with Session(engine) as session:
            session.connection()
            before = time.perf_counter()
            plugin.update(session)
            session.commit()
            return time.perf_counter() - before

    return Writer(write)


def _by_values(engine: Engine, kind: Kind, table: str) -> Writer:
    statement = f"INSERT INTO {table} VALUES %s ON CONFLICT {kind.conflict.format(table=table)}"

    def write(numbers: range, again: bool) -> float:
        rows = [kind.row(number, again) for number in numbers]
        connection = engine.raw_connection()
        try:
            with closing(connection.cursor()) as cursor:
                before = time.perf_counter()
                execute_values(cursor, statement, rows, page_size=PAGE)
                connection.commit()
                return time.perf_counter() - before
        finally:
            connection.close()

    return Writer(write)
