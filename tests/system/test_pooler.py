"""Everything runs through a PgBouncer that lends its sessions, and leaves nothing in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, make_url, text

from statscache.history.archives.archive import Slice
from statscache.history.archives.datanommer import Datanommer
from statscache.span import Span
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.pgbouncer import BINARY, PgBouncer
from tests.support.place import ALL_ON, Place
from tests.support.sql import run
from tests.support.web import VOLUME, Server
from tests.system.datagrepper import Archive

TEN_MINUTES = ["--since", "2023-11-14T22:13:20Z", "--until", "2023-11-14T22:23:20Z"]
READING = [
    ["plugins"],
    ["show", "volume-1s", "--since", "1d"],
    ["top", "volume-by-category-1m"],
    ["quarantine", "list"],
    ["uri"],
]


@contextmanager
def pooled(url: str, places: pytest.TempPathFactory, **options: Any) -> Iterator[PgBouncer]:
    """Give a pooler before a database."""
    if BINARY is None or "host" not in make_url(url).query:
        pytest.skip("needs PgBouncer, and a server on a local socket")
    pooler = PgBouncer(make_url(url), places.mktemp("pgbouncer"), **options)
    try:
        yield pooler
    finally:
        pooler.stop()


@pytest.fixture(params=[10, 2])
def pooler(
    request: pytest.FixtureRequest, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PgBouncer]:
    """A pooler in transaction mode, with some sessions or few."""
    with pooled(database, tmp_path_factory, size=request.param) as pooler:
        yield pooler


def recent(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return messages of the last minutes."""
    now = time.time()
    return [ordinary(first + n, now - 300 + 0.2 * (n % 500)) for n in range(count)]


def place_of(directory: Path, pooler: PgBouncer, **settings: Any) -> Place:
    """Return a user's directory whose database is behind the pooler."""
    (directory / "place").mkdir()
    place = Place(directory / "place", pooler.url)
    config = {f"statscache.{key.replace('__', '.')}": value for key, value in settings.items()}
    place.configure({"statscache.plugins.enabled": ALL_ON, "statscache.monitoring.address": "", **config})
    return place


def test_a_daemon_the_api_and_the_commands_work_and_leave_nothing(
    pooler: PgBouncer, start_hub: Callable[..., Hub], bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """What they count and say is right, while each transaction has a session that it gets lent."""
    hub = start_hub({"statscache.sqlalchemy.uri": pooler.url})
    hub.wait_until_running()
    place = place_of(tmp_path, pooler)
    web = Server(tmp_path, pooler.url, plugins__enabled=ALL_ON)
    for part in range(5):
        bus.send_all(recent(200, 200 * part))
        assert web.get("/api/").status == 200
        assert web.get(VOLUME, {"limit": part + 1}).status == 200
        place.answer(*READING[part])
    wait_for("all to be counted", lambda: volume(engine) == 1000)
    assert sum(row["volume"] for row in web.rows(VOLUME, {"limit": 600})) == 1000
    assert pooler.left() == []
    assert web.end() == (0, "")
    assert hub.end()[0] == 0
    assert pooler.left() == []
    assert "Traceback" not in hub.log
    assert " ERROR" not in hub.log


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with ten minutes of messages."""
    archive = Archive([{**ordinary(n), "timestamp": 1_700_000_000 + n} for n in range(600)])
    yield archive
    archive.close()


def fill(directory: Path, pooler: PgBouncer, archive: Archive) -> Place:
    """Count what the archive has, through the pooler, and return the place from which that was done."""
    settings = {"datagrepper__endpoint": archive.url, "consumer__epoch": 1_700_000_000}
    place = place_of(directory, pooler, **settings)
    assert place.run("backfill", *TEN_MINUTES)[0] == 0
    return place


@pytest.mark.parametrize("command", [["verify"], ["backfill", "--rebuild", "--plugin", "volume-1m"]])
def test_what_needs_a_session_is_refused_beside_a_hub(
    command: list[str],
    pooler: PgBouncer,
    archive: Archive,
    start_hub: Callable[..., Hub],
    bus: Bus,
    engine: Engine,
    tmp_path: Path,
) -> None:
    """It is one line, and the hub's counts are whole."""
    place = fill(tmp_path, pooler, archive)
    hub = start_hub({"statscache.sqlalchemy.uri": pooler.url})
    hub.wait_until_running()
    for part in range(2):
        bus.send_all(recent(100, 1000 + 100 * part))
        code, _, errors = place.run(*command, *TEN_MINUTES)
        assert "pool_mode = transaction" in errors
        assert len(errors.strip().splitlines()) == 1, errors
        assert code == 2
        bus.send_all(recent(100, 2000 + 100 * part))
    wait_for("all to be counted", lambda: volume(engine) == 1000)
    assert hub.end()[0] == 0
    assert pooler.left() == []
    assert volume(engine) == 1000


def test_a_session_of_somebody_elses_hides_no_table(
    database: str,
    start_hub: Callable[..., Hub],
    bus: Bus,
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Temporary tables that another client has left in a borrowed session, and its settings, change no count."""
    with pooled(database, tmp_path_factory, size=3) as pooler:
        hub = start_hub({"statscache.sqlalchemy.uri": pooler.url})
        hub.wait_until_running()
        held = [psycopg2.connect(pooler.url.replace("+psycopg2", "")) for _ in range(2)]
        for connection in held:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TEMPORARY TABLE data_volume_1m (LIKE data_volume_1m INCLUDING ALL)")
                cursor.execute(
                    "SET TIME ZONE 'Asia/Tokyo'; SET lock_timeout = 1; SET IntervalStyle = iso_8601"
                )
                cursor.execute("SET default_transaction_isolation = serializable")
        for connection in held:
            connection.commit()
            connection.close()
        for part in range(10):
            bus.send_all(recent(20, 20 * part))
            time.sleep(0.2)
        wait_for("all to be counted", lambda: volume(engine, "public.data_volume_1m") == 200)
        assert hub.end()[0] == 0
    assert volume(engine, "public.data_volume_1m") == 200


def test_statement_mode_is_told_in_one_line(
    database: str, start_hub: Callable[..., Hub], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A daemon that can have no transaction does not start."""
    with pooled(database, tmp_path_factory, mode="statement") as pooler:
        hub = start_hub({"statscache.sqlalchemy.uri": pooler.url, "statscache.database.wait": 5})
        assert hub.wait() == 1
        last = hub.log.strip().splitlines()[-1]
        assert last.startswith("statscache: ")
        assert "cannot be reached" in last
        assert "Traceback" not in hub.log


def test_verification_works_in_session_mode(
    database: str,
    archive: Archive,
    engine: Engine,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It has a session for itself, and leaves nothing in it."""
    with pooled(database, tmp_path_factory, mode="session") as pooler:
        place = fill(tmp_path, pooler, archive)
        assert volume(engine) == 600
        assert place.run("verify", *TEN_MINUTES)[0] == 0
        assert pooler.left() == []
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")) == 0


def test_a_datanommer_is_read_through_a_pooler(pooler: PgBouncer, engine: Engine) -> None:
    """Its database is somebody else's, and so are the sessions: nothing is left in them."""
    run(
        engine,
        "CREATE TABLE messages "
        "(id int, msg_id text, i int, topic text, timestamp timestamptz, username text, msg jsonb)",
        "INSERT INTO messages SELECT n, 'm' || n, 1, 'a.b.c.d', to_timestamp(1700000000 + n), 'me', '{}' "
        "FROM generate_series(0, 599) AS n",
    )
    archive = Datanommer(pooler.url)
    slices = list(archive.slices(Span(1_700_000_000, 1_700_000_600)))
    assert sum(len(found.bodies) for found in slices if isinstance(found, Slice)) == 600
    assert pooler.left() == []
