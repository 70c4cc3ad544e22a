"""A database server that crashes right after a commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from statscache.daemon import open_daemon
from tests.support.daemons import accept, counted
from tests.system.torture.server import Server


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own."""
    server = Server(tmp_path / "server")
    yield server
    server.close()


def test_what_is_committed_survives_a_crash_though_the_server_is_set_up_not_to_wait(
    crashing: Server, config: dict[str, Any]
) -> None:
    """Only what is on the database's disk leaves the spool, whatever synchronous_commit is elsewhere."""
    engine = create_engine(crashing.database("crash"))
    with engine.begin() as connection:
        connection.execute(text("ALTER DATABASE crash SET synchronous_commit = off"))
        connection.execute(text("CHECKPOINT"))
    daemon = open_daemon({**config, "statscache.sqlalchemy.uri": str(engine.url.render_as_string(False))})
    for number in range(10):
        accept(daemon, number)
        daemon.flusher.flush()
    crashing.end()
    crashing.begin()
    assert daemon.finish(5)
    engine.dispose()
    assert counted(engine) == 10
    engine.dispose()
