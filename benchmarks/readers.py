"""What open pages cost the daemon: how late a message is committed while many follow the bus, and while none does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from benchmarks.bench import Bench
from benchmarks.cells import count_differences, expected
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import ROOT, Publisher, counting_hub
from benchmarks.watch import Watch, delays
from tests.support.web import Server

#: How often in seconds the database is looked at: a delay is up to that much too long.
EVERY = 0.02
PATIENCE = 60.0
#: After pages are opened or closed it takes so many seconds until all is as it goes on.
SETTLE = 3.0
#: So many seconds pages may take to be opened, in each turn.
OPENING = 60.0
#: The delay's 99th percentile may be so many times what it is without pages.
GROWTH = Bar(most=1.1)
STATISTICS = (
    "volume",
    "volume-by-category",
    *(f"pagure-contributions{by}" for by in ("", "-by-user", "-by-project")),
)
RANGES = ("day", "week", "month", "quarter", "year")
ONE = "/view/volume-by-category"


@dataclass
class Turn:
    """A stretch of time with some pages open.

    :param late: for each message of it, the seconds from sent to committed
    :param seen: what the pages have seen
    """

    name: str
    start: float
    stop: float
    seen: dict[str, int] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    @property
    def percentile(self) -> float:
        """The 99th of the delays, in seconds."""
        return quantiles(self.late, n=100)[98]


def readers(bench: Bench) -> list[Figure]:
    """Let a hub count a slow stream while no page is open, a hundred of one view, and a hundred of as many views."""
    sizes = bench.sizes
    views = {"one view": [ONE] * sizes.pages, "as many views": _views(sizes.pages)}
    names = [name for _ in range(bench.rounds) for view in views for name in ("no page", view)]
    seconds = len(names) * (sizes.turn + SETTLE + OPENING) + SETTLE
    bench.say(f"readers, {sizes.pages} pages in {len(names)} turns of {sizes.turn:.0f} s")
    turns = _run(bench, names, views, round(seconds * sizes.soak_rate))
    return [figure for view in views for figure in _figures(turns, view, sizes.pages)]


def _run(bench: Bench, names: Sequence[str], views: dict[str, list[str]], count: int) -> list[Turn]:
    path, rate = bench.messages("burst", count), bench.sizes.soak_rate
    publisher = Publisher(place := bench.place(), path, rate)
    with bench.database() as url:
        try:
            with counting_hub(place, publisher, {"statscache.sqlalchemy.uri": url}) as hub:
                watch = Watch(url, hub, EVERY)
                publisher.start()
                web = Server(place, url)
                try:
                    time.sleep(SETTLE)
                    turns = [_turn(name, views, web, bench.sizes.turn) for name in names]
                finally:
                    web.end()
                publisher.stop()
                sent = list(publisher.times())
                watch.wait_for(len(sent), PATIENCE)
                watch.close()
        finally:
            publisher.close()
        bench.note("readers", count_differences(url, expected(path, sent)))
    for when, late in zip(sent, delays(sent, watch.samples), strict=True):
        for turn in turns:
            if turn.start <= when < turn.stop:
                turn.late.append(late)
    return turns


def _turn(name: str, views: dict[str, list[str]], web: Server, seconds: float) -> Turn:
    with pages(web.port, views.get(name, [])) as seen:
        time.sleep(SETTLE)
        turn = Turn(name, begin := time.time(), begin + seconds, seen)
        time.sleep(seconds)
    return turn


@contextmanager
def pages(port: int, paths: Sequence[str]) -> Iterator[dict[str, int]]:
    """Have pages open; give what they have seen, once they are closed."""
    seen: dict[str, int] = {}
    if not paths:
        yield seen
        return
    command = [sys.executable, "-m", "benchmarks.pages", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        _tell(process, json.dumps(paths))
        assert process.stdout.readline() == "open\n"
        yield seen
        _tell(process, "close")
        seen.update(json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _views(count: int) -> list[str]:
    """Return so many views, each another one."""
    many = [
        f"/view/{statistic}?range={reach}&top={top}"
        for top in range(1, 9)
        for reach in RANGES
        for statistic in STATISTICS
    ]
    return many[:count]


def _figures(turns: Sequence[Turn], view: str, count: int) -> Iterator[Figure]:
    """Yield what pages of a view cost, each turn with them beside that before it."""
    pairs = [(turns[place - 1], turn) for place, turn in enumerate(turns) if turn.name == view]
    values: dict[str, Any] = {"with": [], "without": [], "growth": []}
    for without, its in pairs:
        assert its.seen["failed"] == its.seen["ended"] == its.seen["refused"] == 0, its.seen
        values["with"].append(its.percentile)
        values["without"].append(without.percentile)
        values["growth"].append(its.percentile / without.percentile)
    name = f"{count} open pages of {view}"
    late = f"{name}: delay, 99th percentile"
    yield Figure(late, "s", values["with"], values["without"], "no page, just before")
    yield Figure(f"{name}: growth of that", "times", values["growth"], bar=GROWTH)
    middles = [median(its.late) for _, its in pairs], [median(without.late) for without, _ in pairs]
    yield Figure(f"{name}: delay, median", "s", middles[0], middles[1], "no page, just before")
    rates = [its.seen["loaded"] / (its.stop - its.start + SETTLE) for _, its in pairs]
    yield Figure(f"{name}: loaded anew", "pages/s", rates)
