"""What the server, the database or the role has set as a default, and what a server becomes, stop nobody for long."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from statscache.daemon import Daemon, open_daemon
from tests.support.daemons import accept, counted


def set_default(engine: Engine, setting: str, value: str) -> None:
    """Set what sessions of the database that are opened from now on begin with."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"))
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET {setting} = {value}"))


@pytest.mark.parametrize("level", ["'serializable'", "'repeatable read'"])
def test_two_daemons_start_together_whatever_the_level_of_isolation_is(
    level: str, config: dict[str, Any], engine: Engine
) -> None:
    """On an empty database each makes what the other has not made yet, and both run all plugins."""
    set_default(engine, "default_transaction_isolation", level)
    daemons: list[Daemon] = []
    threads = [threading.Thread(target=lambda: daemons.append(open_daemon(config))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = daemons
    assert (first.app.unable, second.app.unable) == ({}, {})
    for daemon in daemons:
        accept(daemon, 1, 2)
        daemon.flusher.flush()
    assert counted(engine) == 2
    for daemon in daemons:
        assert daemon.finish(5)


def test_sessions_of_a_time_when_nothing_could_be_written_are_given_up(
    daemon: Daemon, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the database takes writes again, the flush goes on without a restart, and no plugin was blamed."""
    set_default(engine, "default_transaction_read_only", "on")
    daemon.engine.dispose()
    accept(daemon, 1)
    assert not daemon.flusher.tick()
    assert "read-only transaction" in caplog.text
    assert "Traceback" not in caplog.text
    set_default(engine, "default_transaction_read_only", "off")
    for _ in range(2):
        with contextlib.suppress(DBAPIError):
            daemon.flusher.step()
    assert counted(engine) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM statscache_quarantine")) == 0
    assert daemon.finish(5)
