"""Sessions keep the settings that their database had when they were opened: who cannot flush with them opens others."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from statscache.daemon import Daemon
from tests.support.daemons import accept, counted
from tests.support.sql import run

#: With these nothing can be written.
UNFIT = ["default_transaction_read_only = on", "search_path = nowhere", "role = pg_monitor"]


def alter(server: Engine, daemon: Daemon, change: str) -> None:
    """Change what new sessions of the daemon's database begin with."""
    run(server, f'ALTER DATABASE "{daemon.engine.url.database}" {change}')


@pytest.mark.parametrize(("setting", "good"), [*((unfit, 0) for unfit in UNFIT), (UNFIT[0], 1)])
def test_sessions_of_a_time_with_other_settings_are_given_up(
    setting: str,
    good: int,
    daemon: Daemon,
    server: Engine,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The third flush succeeds at the latest, whichever of the sessions are stale, and each failure is one line."""
    daemon.engine.dispose()
    fresh = [daemon.engine.connect() for _ in range(good)]
    alter(server, daemon, f"SET {setting}")
    stale = [daemon.engine.connect() for _ in range(2 - good)]
    alter(server, daemon, "RESET ALL")
    for connection in (*fresh, *stale):
        connection.close()
    for number in range(4):
        accept(daemon, number)
        daemon.flusher._pause.end()
        daemon.flusher.tick()
    assert counted(engine) == 4
    assert daemon.flusher.flushes.failures == 2
    assert "Traceback" not in caplog.text


def test_an_idle_daemon_gives_them_up_too(daemon: Daemon, server: Engine) -> None:
    """What covers the time of a quiet bus fails twice, and then works."""
    daemon.engine.dispose()
    alter(server, daemon, "SET default_transaction_read_only = on")
    daemon.engine.connect().close()
    alter(server, daemon, "RESET ALL")
    for _ in range(2):
        with pytest.raises(Exception, match="read-only transaction"):
            daemon.commits.commit_nothing()
    daemon.commits.commit_nothing()
