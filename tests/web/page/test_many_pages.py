"""Pages that were open cost nothing any more."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil
from sqlalchemy import Engine, text

from benchmarks.readers import pages
from tests.support.web import Server
from tests.web.page.test_live import count

#: So many pages are open at once, of half as many views; all in all there are five times as many.
TOGETHER, LOTS = 100, 5
#: So many seconds after pages are closed nothing is done for them any more.
SETTLE = 5.0
VIEWS = [
    f"/view/{statistic}?range={reach}&top={top}"
    for top in range(1, 6)
    for reach in ("day", "week", "month", "quarter", "year")
    for statistic in ("volume", "volume-by-category")
]
SESSIONS = text(
    "SELECT count(*), count(*) FILTER (WHERE query ILIKE 'LISTEN%') FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Held:
    """What a server holds: sessions of the database, those that listen, threads and open files."""

    sessions: int
    listening: int
    threads: int
    files: int


def held(site: Server, engine: Engine) -> Held:
    """Return what the server holds just now."""
    its = psutil.Process(site.process.pid)
    with engine.connect() as connection:
        sessions, listening = connection.execute(SESSIONS).one()
    return Held(sessions, listening, its.num_threads(), its.num_fds())


def memory(site: Server) -> int:
    """Return how many bytes it has resident."""
    resident: int = psutil.Process(site.process.pid).memory_info().rss
    return resident


def follow(site: Server, engine: Engine) -> None:
    """Open pages, let them follow two changes, and close them."""
    with pages(site.port, [VIEWS[place % len(VIEWS)] for place in range(TOGETHER)]) as seen:
        for volume in (1, 2):
            count(engine, volume)
            time.sleep(2.5)
    assert seen["loaded"] > 0
    assert seen["failed"] == seen["refused"] == seen["ended"] == 0


def test_what_500_pages_took_is_given_back(filled: tuple[Engine, Server]) -> None:
    """Sessions, LISTENs, threads and files are as they were after the first hundred, and memory within a tenth."""
    engine, site = filled
    follow(site, engine)  # as many answers are remembered as will be
    time.sleep(SETTLE)
    before, resident = held(site, engine), memory(site)
    for _ in range(LOTS):
        follow(site, engine)
    time.sleep(SETTLE)
    after = held(site, engine)
    assert after == before
    assert memory(site) <= 1.1 * resident
