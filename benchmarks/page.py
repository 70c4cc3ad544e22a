"""How fast the page, its charts, badges and files are on tables of many rows."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine, create_engine, text

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.page_tables import CODE, PACKAGE, STATISTICS, fill
from tests.support.browser import launched, visiting
from tests.support.packages import install
from tests.support.place import Place
from tests.support.web import Client, Server

#: How often what is answered quickly is asked, for each round.
OFTEN = 30
STATISTIC = "volume-by-category"
PAGES = {"overview": "/", "chart of a year": f"/view/{STATISTIC}?range=year&step=day"}
#: How long in seconds an answer is given again though its tables have changed, and a little more.
YOUNG = 2.5
BARS = {"overview": 0.1, "drawn": 0.5, "year": 0.3, "badge": 0.005}
MEGABYTE = 1e6
PARQUET, PARQUET_MEMORY = Bar(most=20.0), Bar(most=150.0)
VISIT, COMPRESSED = Bar(most=60.0), Bar(most=20.0)
CHANGE = text("UPDATE statscache_coverage SET updated = clock_timestamp()")
#: Says when all was drawn, in seconds since the page was asked for.
DRAWN = """() => new Promise(done => requestAnimationFrame(
    () => requestAnimationFrame(() => done(performance.now() / 1e3))))"""
#: Says how many bytes of a visit there were, on the wire and unpacked.
SIZES = """() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
    .map(entry => [entry.encodedBodySize, entry.decodedBodySize])"""
#: Ends a command with a line that says how much memory it took at most.
MEMORY = (
    "import atexit, resource, sys; "
    "atexit.register(lambda: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))"
)


def page(bench: Bench) -> list[Figure]:
    """Ask for the page's parts on tables of many rows, as HTTP has them and as a browser draws them."""
    with bench.database() as url:
        place = bench.place()
        with _with_things(place):
            _fill(bench, place, url)
            engine = create_engine(url, isolation_level="AUTOCOMMIT")
            web = Server(place, url)
            try:
                figures = [*_answers(bench, engine, web), *_in_browser(bench, web)]
            finally:
                web.end()
            engine.dispose()
            return [*figures, *_parquet(bench, place, url)]


@contextmanager
def _with_things(place: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile see the package of four statistics."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [install(place / "installed", PACKAGE, CODE, things="plugins"), before])
    )
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def _fill(bench: Bench, place: Path, url: str) -> None:
    bench.say(f"page, {bench.sizes.page_rows:,} rows in each of three tables")
    its = Place(place, url)
    its.write("none.jsonl", "")
    code, _, errors = its.run("replay", "none.jsonl")
    assert code == 0, errors
    fill(url, bench.sizes.page_rows)


def _answers(bench: Bench, engine: Engine, web: Client) -> Iterator[Figure]:
    """Yield how long the first byte of answers takes."""
    bench.say("page, answers")
    first = _seconds(web, "/")
    assert web.get("/").body.count(b'class="card"') in (0, STATISTICS), "not all statistics are there"
    yield Figure("overview, made for the first time", "s", [first])
    known = [_seconds(web, "/") for _ in range(bench.rounds * OFTEN)]
    yield Figure("overview", "s", known, bar=Bar(most=BARS["overview"]))
    yield Figure(
        "overview, after a change", "s", _changed(bench, engine, web, "/"), bar=Bar(most=BARS["overview"])
    )
    yield Figure("chart of a year by day", "s", _years(bench, web), bar=Bar(most=BARS["year"]))
    badge = f"/badge/{STATISTIC}.svg"
    _seconds(web, badge)
    known = [_seconds(web, badge) for _ in range(bench.rounds * OFTEN)]
    yield Figure("badge", "s", known, bar=Bar(most=BARS["badge"]))
    yield Figure(
        "badge, after a change", "s", _changed(bench, engine, web, badge), bar=Bar(most=BARS["badge"])
    )


def _seconds(web: Client, path: str) -> float:
    begin = time.perf_counter()
    reply = web.get(path)
    assert reply.status == 200, reply.body
    return time.perf_counter() - begin


def _changed(bench: Bench, engine: Engine, web: Client, path: str) -> list[float]:
    """Return how long an answer takes each time that the tables have changed and the one before is not young."""
    taken = []
    for _ in range(bench.rounds):
        time.sleep(YOUNG)
        with engine.connect() as connection:
            connection.execute(CHANGE)
        time.sleep(0.1)
        taken.append(_seconds(web, path))
    return taken


def _years(bench: Bench, web: Client) -> list[float]:
    """Return how long charts of a year take, none of which is known already."""
    stop = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    taken = []
    for days in range(bench.rounds * 3):
        last = stop - timedelta(days=days)
        given = {"start": f"{last - timedelta(days=365):%Y-%m-%d}", "stop": f"{last:%Y-%m-%d}", "step": "day"}
        taken.append(_seconds(web, f"/view/{STATISTIC}.svg?{urlencode(given)}"))
    return taken


def _in_browser(bench: Bench, web: Server) -> Iterator[Figure]:
    """Yield how long it takes until all is drawn, and how much a first visit brings."""
    bench.say("page, in Chromium")
    with sync_playwright() as playwright:
        browser = launched(playwright)
        root = f"http://127.0.0.1:{web.port}"
        for name, path in PAGES.items():
            _drawn(browser, root, path)
            drawn = [_drawn(browser, root, path) for _ in range(bench.rounds * 3)]
            yield Figure(f"{name}, drawn", "s", [its for its, _ in drawn], bar=Bar(most=BARS["drawn"]))
            packed, whole = (sum(sizes) / 1e3 for sizes in zip(*drawn[0][1], strict=True))
            bars = (VISIT, COMPRESSED) if path == "/" else (None, None)
            yield Figure(f"{name}, a first visit", "kB", [whole], bar=bars[0])
            yield Figure(f"{name}, a first visit, compressed", "kB", [packed], bar=bars[1])
        browser.close()


def _drawn(browser: Browser, root: str, path: str) -> tuple[float, list[tuple[int, int]]]:
    with visiting(browser, root) as visit:
        page = visit.go(path)
        drawn: float = page.evaluate(DRAWN)
        return drawn, page.evaluate(SIZES)


def _parquet(bench: Bench, place: Path, url: str) -> Iterator[Figure]:
    """Yield how long a file of all rows of a table takes, and how much memory."""
    bench.say("page, Parquet")
    seconds, memory = [], []
    for number in range(bench.rounds):
        its = Place(place, url)
        its.patience = 600.0
        begin = time.perf_counter()
        code, output, errors = its.run(
            "export", STATISTIC, "--windows", "1s", "-o", f"{number}.parquet", script=MEMORY
        )
        seconds.append(time.perf_counter() - begin)
        assert code == 0, (output, errors)
        memory.append(int(re.findall(r"peak (\d+)", errors)[0]) * 1024 / MEGABYTE)
    name = f"{bench.sizes.page_rows:,} rows as Parquet"
    yield Figure(name, "s", seconds, bar=PARQUET)
    yield Figure(f"{name}, memory", "MB", memory, bar=PARQUET_MEMORY)
