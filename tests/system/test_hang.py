"""A plugin that keeps the interpreter's lock for ever, so that not even the watchdog gets to run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.packages import install

PLUGIN = """
import re
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model

class Greedy(CountingPlugin):
    name = summary = description = "greedy"
    interval = timedelta(days=1)
    model = counting_model("greedy_1d", "messages")

    def process(self, message):
        if message["msg"]["n"] == 50:
            re.match("(a+)+$", "a" * 64 + "b")
        self.count(message)
"""


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """A directory in which the plugin is installed."""
    return install(tmp_path / "installed", "greedy", PLUGIN, greedy="Greedy")


def test_a_plugin_that_lets_no_thread_run_ends_the_daemon_and_is_suspended_by_the_next(
    start_hub: Callable[..., Hub], bus: Bus, engine: Engine, installed: str
) -> None:
    """A signal ends the process; the next one names the plugin, counts all for the others, and quarantines its own."""
    settings: dict[str, Any] = {"statscache.plugin.hang": 1, "statscache.producer.frequency": 0.2}
    hub = start_hub(settings, PYTHONPATH=installed)
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(100)))
    assert hub.wait() == -signal.SIGPROF
    again = start_hub(settings, PYTHONPATH=installed)
    again.wait_until_running()
    assert "greedy-1d is suspended" in again.log
    assert "in process" in again.log
    bus.send_all(map(ordinary, range(50, 200)))
    wait_for("all others to count", lambda: volume(engine) >= 150)
    assert again.end()[0] == 0
    with engine.connect() as connection:
        counted = connection.scalar(text("SELECT coalesce(sum(volume), 0) FROM greedy_1d"))
        put_off = connection.scalar(
            text("SELECT count(*) FROM statscache_quarantine WHERE plugin = 'greedy-1d'")
        )
        ledger = connection.scalar(text("SELECT count(*) FROM statscache_ledger"))
    assert counted + put_off == ledger == volume(engine)
