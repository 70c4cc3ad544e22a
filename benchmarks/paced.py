"""A steady stream: how late a message is counted, and what memory that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median, quantiles

import psutil
from sqlalchemy import create_engine, text

from benchmarks.bench import Bench
from benchmarks.cells import count_differences, expected
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import Publisher, control_hub, counting_hub
from benchmarks.watch import Sample, Watch, delays

#: How often in seconds the database is looked at, paced and in the soak: a delay is up to that much too long.
EVERY, SOAK_EVERY = 0.02, 0.1
PATIENCE = 60.0
LATE, MEMORY, SLOPE = Bar(within=2.5), Bar(within=1.6), Bar(most=1.0)
#: How often in seconds a daemon flushes, unless it is told otherwise.
INTERVAL = 1.0
MEGABYTE = 1e6
TABLES = """
    SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


@dataclass
class Outcome:
    """What was seen of a stream.

    :param late: for each message, the seconds from sent to committed
    :param before: the sizes in bytes of the tables, with their indexes, by name; `after` as well
    :param ledger: the rows in the ledger at the end
    """

    late: list[float]
    samples: list[Sample]
    before: Mapping[str, int]
    after: Mapping[str, int]
    ledger: int


def paced(bench: Bench) -> list[Figure]:
    """Messages at a steady pace, each with the time at which it is sent for its timestamp."""
    sizes = bench.sizes
    bench.say(f"paced, {sizes.seconds:.0f} s at {sizes.rate:,.0f}/s")
    name = f"paced at {sizes.rate:,.0f}/s"
    outcome = stream(bench, name, sizes.rate, sizes.seconds, EVERY)
    peak = max(sample.memory for sample in outcome.samples) / MEGABYTE
    base = _memory_of_control(bench, sizes.rate, sizes.seconds / 6)
    return [
        Figure(f"{name}: delay, median", "s", [median(outcome.late)]),
        Figure(
            f"{name}: delay, 99th percentile",
            "s",
            [_percentile(outcome.late)],
            [INTERVAL],
            "the time between two flushes",
            LATE,
        ),
        Figure(
            f"{name}: peak memory", "MB", [peak], [base], "a hub that does nothing, a sixth as long", MEMORY
        ),
    ]


def soak(bench: Bench) -> list[Figure]:
    """A slow stream for long: what grows."""
    sizes = bench.sizes
    bench.say(f"soak, {sizes.minutes:g} minutes at {sizes.soak_rate:.0f}/s")
    outcome = stream(bench, "soak", sizes.soak_rate, sizes.minutes * 60, SOAK_EVERY)
    memory = [outcome.samples[len(outcome.samples) // 3].memory, outcome.samples[-1].memory]
    return [
        Figure("soak: slope of memory", "MB/10 min", [slope(outcome.samples)], bar=SLOPE),
        Figure("soak: memory after a third", "MB", [memory[0] / MEGABYTE]),
        Figure("soak: memory at the end", "MB", [memory[1] / MEGABYTE]),
        Figure("soak: delay, median", "s", [median(outcome.late)]),
        Figure("soak: delay, 99th percentile", "s", [_percentile(outcome.late)]),
        Figure("soak: rows in the ledger at the end", "rows", [outcome.ledger]),
        *(_size(table, outcome) for table in outcome.after),
    ]


def stream(bench: Bench, name: str, rate: float, seconds: float, every: float) -> Outcome:
    """Send messages at a pace to a hub on an empty database, and compare every cell."""
    count = round(rate * seconds)
    path = bench.messages("burst", count)
    publisher = Publisher(place := bench.place(), path, rate)
    with bench.database() as url:
        try:
            with counting_hub(place, publisher, {"statscache.sqlalchemy.uri": url}) as hub:
                before = _sizes(url)
                watch = Watch(url, hub, every)
                publisher.start()
                watch.wait_for(count, PATIENCE)
                watch.close()
                sent = list(publisher.times())
        finally:
            publisher.close()
        bench.note(name, count_differences(url, expected(path, sent)))
        return Outcome(delays(sent, watch.samples), watch.samples, before, _sizes(url), _ledger(url))


def slope(samples: Sequence[Sample]) -> float:
    """Return by how many megabytes memory grows in 10 minutes: least squares over the last two thirds."""
    last = samples[len(samples) // 3 :]
    fit = linear_regression([sample.when for sample in last], [sample.memory for sample in last])
    return fit.slope * 600 / MEGABYTE


def _size(table: str, outcome: Outcome) -> Figure:
    before = outcome.before.get(table, 0) / MEGABYTE
    return Figure(f"soak: {table}", "MB", [outcome.after[table] / MEGABYTE], [before], "at the start")


def _percentile(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


def _memory_of_control(bench: Bench, rate: float, seconds: float) -> float:
    count = round(rate * seconds)
    publisher = Publisher(place := bench.place(), bench.messages("burst", count), rate)
    try:
        with control_hub(place, publisher, count) as hub:
            publisher.start()
            hub.wait_for_end()
            return psutil.Process(hub.process.pid).memory_info().rss / MEGABYTE
    finally:
        publisher.close()


def _sizes(url: str) -> dict[str, int]:
    engine = create_engine(url)
    with engine.connect() as connection:
        sizes: dict[str, int] = dict(connection.execute(text(TABLES)).tuples().all())
    engine.dispose()
    return sizes


def _ledger(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.scalar(text("SELECT count(*) FROM statscache_ledger"))
    engine.dispose()
    return int(rows or 0)
