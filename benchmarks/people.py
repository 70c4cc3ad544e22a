"""How fast questions about people and durations are answered of a year, and how much room it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, zip_longest
from statistics import median

from sqlalchemy import Connection, create_engine, text

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.people_sql import Asked, questions
from benchmarks.year import Year
from benchmarks.year_counts import OF_PEOPLE, Counts, Row, count_differences
from benchmarks.year_tables import by_history, by_rows, open_year

#: More messages than these are not loaded by history unless that is asked for: it takes a minute a million.
BY_HISTORY = 3_000_000
#: So many messages pass between two lines that say how far it is.
TELL = 1_000_000
GIGABYTE, ROOM = 1e9, Bar(most=2.0)
#: How far a quantile may be from the value at its rank.
NEAR = 0.01
SIZE = text(
    "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) AS name"
)
ROWS = text(
    "SELECT sum(reltuples) FROM pg_class WHERE oid = ANY (CAST(CAST(:names AS text[]) AS regclass[]))"
)


def people(bench: Bench) -> list[Figure]:
    """Load a year, compare every cell, and ask each question by turns by a function and by hand."""
    year, counts = Year(bench.sizes.year), Counts()
    with bench.database() as url:
        rate = _load(bench, url, year, counts)
        for table, cells in counts.tables():
            bench.note(f"a year, {table}", count_differences(url, table, cells))
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
            for name, wrong in _wrong_answers(connection, counts):
                bench.note(f"a year, {name}", wrong)
            figures = list(chain.from_iterable(_ask(bench, connection, asked) for asked in questions()))
            return [rate, *_room(connection), *figures]


def _load(bench: Bench, url: str, year: Year, counts: Counts) -> Figure:
    """Load the year, by history unless that takes too long."""
    history = bench.sizes.by_history or year.messages <= BY_HISTORY
    app, before, loaded = open_year(url), time.monotonic(), 0
    for size in (by_history if history else by_rows)(app, year, counts):
        if loaded // TELL != (loaded + size) // TELL:
            bench.say(f"a year: {loaded + size:,} of {year.messages:,} messages")
        loaded += size
    app.engine.dispose()
    how = "loaded by history" if history else "counted by the benchmark alone, rows written"
    return Figure(
        f"a year of {loaded:,} messages, {how}", "messages/s", [loaded / (time.monotonic() - before)]
    )


def _room(connection: Connection) -> Iterator[Figure]:
    """Yield what the tables with a person take, with all their indexes, and how many rows they have."""
    given = {"names": list(OF_PEOPLE)}
    size, rows = (float(connection.scalar(query, given) or 0) for query in (SIZE, ROWS))
    yield Figure("tables with a person, with indexes", "GB", [size / GIGABYTE], bar=ROOM)
    yield Figure("rows in them", "rows", [rows])
    yield Figure("room of a row", "bytes", [size / rows])


def _ask(bench: Bench, connection: Connection, asked: Asked) -> Iterator[Figure]:
    """Ask a question by turns in each way, after each was asked once, and yield what the function took."""
    bench.say(asked.name)
    ways = {"": asked.function, **asked.by_hand}
    answers = {way: _answer(connection, query)[0] for way, query in ways.items()}
    bench.note(f"{asked.name}, by hand", sum(_wrong(answer, answers[""]) for answer in answers.values()))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(bench.rounds):
        for way, query in ways.items():
            seconds[way].append(_answer(connection, query)[1])
    own = seconds.pop("")
    best = min(seconds, key=lambda way: median(seconds[way]), default="")
    by_hand = seconds.get(best, [])
    yield Figure(asked.name, "s", own, by_hand, f"by hand: {best}" if best else "", Bar(most=asked.most))
    if asked.ratio is not None:
        ratios = [its / control for its, control in zip(own, by_hand, strict=True)]
        yield Figure(f"{asked.name}: times by hand", "times", ratios, bar=Bar(most=asked.ratio))


def _answer(connection: Connection, query: str) -> tuple[list[Row], float]:
    """Return the rows of an answer, and the seconds that it took."""
    before = time.perf_counter()
    rows = connection.exec_driver_sql(query).all()
    return [tuple(row) for row in rows], time.perf_counter() - before


def _wrong_answers(connection: Connection, counts: Counts) -> Iterator[tuple[str, int]]:
    """Yield how many rows of each question's answer are not as a program over the messages has them."""
    for asked in questions():
        found = map(_plain, _answer(connection, asked.function)[0])
        yield asked.name, _wrong(sorted(found), sorted(asked.wanted(counts)))


def _wrong(found: Sequence[Row], wanted: Sequence[Row]) -> int:
    """Return how many rows are not as they must be."""
    return sum(not _alike(*pair) for pair in zip_longest(found, wanted, fillvalue=()))


def _plain(row: Row) -> Row:
    return tuple(int(cell.timestamp()) if isinstance(cell, datetime) else cell for cell in row)


def _alike(found: Row, wanted: Row) -> bool:
    """Return whether two rows are the same, but for floats, which may be so far apart as quantiles are."""
    if len(found) != len(wanted):
        return False
    pairs = zip(found, wanted, strict=True)
    return all(abs(a - b) <= NEAR * b if isinstance(b, float) else a == b for a, b in pairs)
