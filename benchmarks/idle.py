"""What a daemon costs to which a message comes each second, as to most."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import Publisher, control_hub, counting_hub
from benchmarks.single import Repeated, by_hand, settings
from benchmarks.variables import STATEMENTS
from statscache.daemon import open_daemon
from tests.support.hub import Hub

RATE = 1.0
HAND, NOTHING = "a consumer that writes the same rows by bare psycopg2", "a consumer that does nothing"
TIME, MEMORY = Bar(within=3.0), Bar(within=1.2)
DAY, MEGABYTE = 86_400, 1e6
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'"
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Cost:
    """What a process and its database have used up to an instant.

    :param processor: seconds of processor time
    :param wakes: how often any of its threads has waited for something
    :param memory: bytes that are resident now
    :param wal: bytes of the write-ahead log of the whole server
    :param commits: transactions of its database
    """

    processor: float
    wakes: int
    memory: int
    wal: float
    commits: int

    @classmethod
    def now(cls, hub: Hub, url: str) -> Cost:
        """Look."""
        process = psutil.Process(hub.process.pid)
        times = process.cpu_times()
        engine = create_engine(url)
        with engine.connect() as connection:
            wal, commits = (connection.scalar(text(asked)) for asked in (WAL, COMMITS))
        engine.dispose()
        wakes = sum(map(_wakes, Path(f"/proc/{hub.process.pid}/task").iterdir()))
        return cls(times.user + times.system, wakes, process.memory_info().rss, float(wal), int(commits))


def idle(bench: Bench) -> list[Figure]:
    """A message a second to a daemon, to a consumer that writes by hand, and to one that does nothing."""
    figures = [
        Figure("idle: processor time", "ms/s", [], [], HAND, TIME),
        Figure("idle: resident memory", "MB", [], [], NOTHING, MEMORY),
        Figure("idle: waits of all threads", "1/s", [], [], NOTHING),
        Figure("idle: transactions", "1/s", []),
        Figure("idle: write-ahead log", "MB/day", [], [], HAND),
    ]
    for number in range((bench.rounds + 1) // 2):
        bench.say(f"idle, round {number + 1} of {(bench.rounds + 1) // 2}")
        own, hand, nothing = _own(bench), _by_hand(bench), _nothing(bench)
        for figure, value in zip(figures, own, strict=True):
            figure.rounds.append(value)
        for place, control in ((0, hand), (1, nothing), (2, nothing), (4, hand)):
            figures[place].controls.append(control[place])
    return figures


def _own(bench: Bench) -> list[float]:
    with bench.database() as url:
        place = bench.place()
        given = settings(url, place)
        return _watched(bench, place, url, lambda its: counting_hub(place, its, given))


def _nothing(bench: Bench) -> list[float]:
    with bench.database() as url:
        place = bench.place()
        return _watched(bench, place, url, lambda its: control_hub(place, its, _count(bench)))


def _by_hand(bench: Bench) -> list[float]:
    with bench.database() as url:
        place = bench.place()
        daemon = open_daemon(settings(url, place))
        Repeated(daemon, bench.messages("burst", 1)).flush()
        by_hand(daemon, url, place / "statements").close()
        daemon.finish(60.0)
        environment = {STATEMENTS: str(place / "statements")}
        return _watched(bench, place, url, lambda its: control_hub(place, its, _count(bench), **environment))


def _count(bench: Bench) -> int:
    """Return how many messages are sent, those included that come before it is looked."""
    return 2 * max(2, round(bench.sizes.idle * RATE))


def _watched(
    bench: Bench, place: Path, url: str, run: Callable[[Publisher], AbstractContextManager[Hub]]
) -> list[float]:
    """Send messages to a hub, and return what it costs, once half of the time is over, as the figures are."""
    publisher = Publisher(place, bench.messages("burst", _count(bench)), RATE)
    half = _count(bench) / RATE / 2
    try:
        with run(publisher) as hub:
            publisher.start()
            _sleep(hub, half)
            before = Cost.now(hub, url)
            _sleep(hub, half * 0.8)
            after = Cost.now(hub, url)
            publisher.stop()
    finally:
        publisher.close()
    return _per_second(before, after, half * 0.8)


def _per_second(before: Cost, after: Cost, seconds: float) -> list[float]:
    return [
        (after.processor - before.processor) / seconds * 1000,
        after.memory / MEGABYTE,
        (after.wakes - before.wakes) / seconds,
        (after.commits - before.commits) / seconds,
        (after.wal - before.wal) / seconds * DAY / MEGABYTE,
    ]


def _sleep(hub: Hub, seconds: float) -> None:
    """Wait so long.

    :raises RuntimeError: if the hub ends meanwhile
    """
    try:
        code = psutil.Process(hub.process.pid).wait(seconds)
    except psutil.TimeoutExpired:
        return
    raise RuntimeError(f"the hub ended with {code}:\n{hub.log[-2000:]}")


def _wakes(task: Path) -> int:
    lines = (task / "status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("voluntary_ctxt_switches")))
