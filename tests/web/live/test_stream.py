"""Open streams are told of every change soon, by few questions, and leave nothing behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from statscache.daemon import Daemon, open_daemon
from statscache.database.listening import NAME
from tests.support.daemons import accept
from tests.support.live import Stream
from tests.support.pgbouncer import BINARY, PgBouncer
from tests.support.sql import run
from tests.support.web import Server
from tests.system.torture.server import Server as DatabaseServer

Serve = Callable[..., Server]
Follow = Callable[..., Stream]
TABLE = "data_volume_1s"
#: In seconds: how long it may take to listen.
LISTENS = 10.0


def wait_until(condition: Callable[[], bool], seconds: float = LISTENS) -> None:
    """Wait for something."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def sessions(engine: Engine, query: str = "%") -> int:
    """Return how many sessions of listeners there are whose last statement was like this."""
    words = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND query LIKE :query"
    with engine.connect() as connection:
        return int(connection.scalar(text(words), {"name": NAME, "query": query}) or 0)


def wait_until_it_listens(engine: Engine) -> None:
    """Wait until a listener has found that what is notified arrives."""
    wait_until(lambda: sessions(engine, "UNLISTEN%") == 1)
    time.sleep(0.3)


def flush(daemon: Daemon, number: int) -> None:
    """Count a message."""
    accept(daemon, number)
    daemon.flusher.flush()


def test_a_change_is_told_within_a_second_and_once(
    daemon: Daemon, database: str, engine: Engine, serve: Serve, follow: Follow
) -> None:
    """To all who follow the table, with the same tag; a new one of the page's own tag is told nothing."""
    flush(daemon, 1)
    web = serve(database)
    streams = [follow(web, TABLE) for _ in range(3)]
    assert "content-type: text/event-stream" in streams[0].opening
    assert "x-accel-buffering: no" in streams[0].opening
    wait_until_it_listens(engine)
    assert streams[0].event(1.5) is None
    before = time.monotonic()
    flush(daemon, 2)
    tags = {stream.event() for stream in streams}
    assert time.monotonic() - before < 1
    (tag,) = tags
    assert tag
    assert streams[0].event(2.5) is None
    for options in ({"known": tag}, {"header": tag}):
        assert follow(web, TABLE, **options).event(1) is None
    for options in ({"known": "old"}, {"header": "old"}):
        assert follow(web, TABLE, **options).event(1) == tag
    for stream in streams:
        stream.close()
    assert web.end() == (0, "")


def test_of_other_tables_nothing_is_told(
    daemon: Daemon, database: str, engine: Engine, serve: Serve, follow: Follow
) -> None:
    """What somebody else notifies on the channel can be about any table."""
    web = serve(database)
    one, both = follow(web, TABLE), follow(web, TABLE, "another")
    wait_until_it_listens(engine)
    run(engine, 'SELECT pg_notify(\'statscache\', \'{"table": "another", "from": null, "to": null}\')')
    assert both.event(1)
    assert one.event(1) is None
    for payload in ('{"tables": null}', "nonsense", "[]"):
        time.sleep(2)
        run(engine, f"SELECT pg_notify('statscache_coverage', '{payload}')")
        assert both.event(1)
        assert one.event(1)


def test_what_changes_often_is_told_every_two_seconds(
    daemon: Daemon, database: str, engine: Engine, serve: Serve, follow: Follow
) -> None:
    """The first change at once, and the last one, too."""
    web = serve(database)
    stream = follow(web, TABLE)
    wait_until_it_listens(engine)
    begin = time.monotonic()
    ended = threading.Event()

    def burst() -> None:
        for number in range(60):
            flush(daemon, number)
            if ended.wait(0.1) or time.monotonic() - begin > 7:
                return

    thread = threading.Thread(target=burst)
    thread.start()
    times: list[float] = []
    tags: list[str] = []
    while tag := stream.event(3):
        times.append(time.monotonic() - begin)
        tags.append(tag)
    ended.set()
    thread.join()
    assert times[0] < 1
    assert 4 <= len(times) <= 6
    assert all(later - sooner > 1.9 for sooner, later in pairwise(times))
    assert len(set(tags)) == len(tags)
    assert follow(web, TABLE, known=tags[-1]).event(1) is None


def test_a_server_that_was_restarted_is_listened_to_again(
    tmp_path: Path, config: dict[str, Any], serve: Serve, follow: Follow
) -> None:
    """Whoever follows is told of a change then, as one may have been missed, and of the next one."""
    server = DatabaseServer(tmp_path / "server")
    try:
        url = server.database("live").render_as_string(hide_password=False)
        engine = create_engine(url, pool_pre_ping=True)
        daemon = open_daemon({**config, "statscache.sqlalchemy.uri": url})
        flush(daemon, 1)
        web = serve(url)
        streams = [follow(web, TABLE), follow(web, "another")]
        wait_until_it_listens(engine)
        for each in (daemon.engine, engine):
            each.dispose()
        server.end()
        time.sleep(1)
        server.begin()
        assert all(stream.event(15) for stream in streams)
        wait_until_it_listens(engine)
        time.sleep(2)
        flush(daemon, 2)
        assert streams[0].event(1)
        for each in (daemon.engine, engine):
            each.dispose()
    finally:
        server.close()


def test_streams_that_were_opened_and_closed_leave_nothing(
    daemon: Daemon, database: str, engine: Engine, serve: Serve, follow: Follow
) -> None:
    """200 of them have one session of the server and one thread, and after the last neither; then it begins again.

    After the first 200 the server has what it needs for as many; 500 more add less than a tenth to its memory.
    """
    web = serve(database)
    process = psutil.Process(web.process.pid)
    for _ in range(3):
        assert web.get("/api/volume-1s").status == 200
    threads, descriptors = process.num_threads(), process.num_fds()
    memory = []
    for count in (200, 250, 250):
        streams = [follow(web, TABLE, *(["another"] if number % 2 else [])) for number in range(count)]
        wait_until_it_listens(engine)
        assert sessions(engine) == 1
        assert process.num_threads() <= threads + 6  # those that ask for versions are kept for a while
        flush(daemon, 1)
        assert all(stream.event(3) for stream in streams)
        for stream in streams:
            stream.close()
        wait_until(lambda: sessions(engine) == 0)
        memory.append(process.memory_info().rss)
    wait_until(lambda: process.num_threads() <= threads + 4)
    wait_until(lambda: process.num_fds() <= descriptors + 6)
    assert memory[-1] < memory[0] * 1.1
    assert web.end() == (0, "")


def test_a_server_with_open_streams_stops_at_once(
    daemon: Daemon, database: str, engine: Engine, serve: Serve, follow: Follow
) -> None:
    """At SIGTERM and SIGINT they end soon, and so does the session of the listener; nothing is logged."""
    for number in (signal.SIGTERM, signal.SIGINT):
        web = serve(database)
        streams = [follow(web, TABLE) for _ in range(20)]
        wait_until_it_listens(engine)
        before = time.monotonic()
        assert web.end(number) == (0, "")
        assert time.monotonic() - before < 10
        assert all(stream.has_ended(1) for stream in streams)
        wait_until(lambda: sessions(engine) == 0)


def test_more_streams_than_there_may_be_are_refused(database: str, serve: Serve, follow: Follow) -> None:
    """With one sentence; once one has ended another may be opened."""
    web = serve(database, "feeds.MOST = 3")
    streams = [follow(web, TABLE) for _ in range(3)]
    refused = follow(web, TABLE)
    assert refused.opening.startswith("HTTP/1.1 503 ")
    assert "retry-after: 60" in refused.opening
    assert '{"error":"too many pages are open: this one does not follow the bus, ' in refused.opening
    streams.pop().close()
    time.sleep(0.3)
    assert follow(web, TABLE).opening.startswith("HTTP/1.1 200 ")


def test_streams_take_nobody_elses_place_and_time(
    daemon: Daemon, database: str, serve: Serve, follow: Follow
) -> None:
    """They are not counted among the connections that there may be, nor ended as an answer that takes too long."""
    web = serve(database, "protocol.CONNECTIONS, protocol.ANSWER, protocol.ARRIVAL = 4, 1, 1")
    streams = [follow(web, TABLE) for _ in range(20)]
    time.sleep(2)
    assert web.get("/api/volume-1s").status == 200
    flush(daemon, 1)
    assert all(stream.event() for stream in streams)


def test_something_is_sent_though_nothing_changes(
    daemon: Daemon, database: str, serve: Serve, follow: Follow
) -> None:
    """A comment every 15 seconds, which the page does not see; HEAD gets none."""
    web = serve(database, "streams.HEARTBEAT = 0.2")
    assert follow(web, TABLE).comments(2) in range(7, 11)
    assert web.get("/live", {"table": TABLE}, "HEAD").headers["Content-Type"].startswith("text/event-stream")
    assert web.get("/live", {"table": TABLE}, "POST").status == 405


def test_a_database_that_is_away_is_no_change(serve: Serve, follow: Follow) -> None:
    """The stream is open, and goes on for as long as that lasts; a stop waits for nothing."""
    web = serve("postgresql://nobody@127.0.0.1:1/nothing")
    stream = follow(web, TABLE, known="something")
    assert stream.opening.startswith("HTTP/1.1 200 ")
    assert stream.event(4) is None
    before = time.monotonic()
    assert web.end()[0] == 0
    assert time.monotonic() - before < 3


@pytest.fixture
def pooler(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """A pooler in transaction mode."""
    if BINARY is None or "host" not in make_url(database).query:
        pytest.skip("needs PgBouncer, and a server on a local socket")
    pooler = PgBouncer(make_url(database), tmp_path_factory.mktemp("pgbouncer"))
    yield pooler
    pooler.stop()


def test_through_a_pooler_changes_are_asked_for(
    pooler: PgBouncer, daemon: Daemon, serve: Serve, follow: Follow
) -> None:
    """Every two seconds, once for all; and no LISTEN is left in anybody's session."""
    flush(daemon, 1)
    web = serve(pooler.url)
    streams = [follow(web, TABLE) for _ in range(3)]
    assert streams[0].event(4) is None
    for number in (2, 3):
        before = time.monotonic()
        flush(daemon, number)
        assert all(stream.event(4) for stream in streams)
        assert time.monotonic() - before < 3
    assert pooler.left() == []
    for stream in streams:
        stream.close()
    assert web.end() == (0, "")
