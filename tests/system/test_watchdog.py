"""A real hub with a plugin that hangs: it goes on without it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.hub import Bus, Hub, wait_for
from tests.support.packages import install

PLUGIN = """
import time
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model

class Plugin(CountingPlugin):
    name = summary = description = "hanger"
    interval = timedelta(minutes=1)
    model = counting_model("data_hanger", "messages")
    def process(self, message):
        if message["msg"].get("hang"):
            self.hang_here()
        self.count(message)
    def hang_here(self):
        time.sleep(3600)
"""


@pytest.fixture
def hanger(tmp_path: Path) -> str:
    """A directory with an installed distribution whose plugin hangs in the message that says so."""
    return install(tmp_path / "site", "hanger", PLUGIN, hanger="Plugin")


def message(number: int, **msg: Any) -> dict[str, Any]:
    """Return a message of the bus."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {"n": number, **msg}, "msg_id": f"x-{number}", "timestamp": 1_700_000_000}


def count(engine: Engine, query: str) -> int:
    """Return a number that a query gives."""
    with engine.connect() as connection:
        return int(connection.scalar(text(query)) or 0)


def test_a_hub_that_was_told_to_end_does_not_restart(
    start_hub: Callable[..., Hub], bus: Bus, hanger: str, tmp_path: Path
) -> None:
    """If a plugin hangs when a signal comes, the hub ends; what it has accepted waits in its spool."""
    hub = start_hub({"statscache.plugin.hang": 2, "statscache.producer.frequency": 60}, PYTHONPATH=hanger)
    hub.wait_until_running()
    bus.send(message(1, hang=True))
    time.sleep(0.5)
    code, seconds = hub.end()
    assert (code, seconds < 6) == (70, True), hub.log
    assert "statscache ends" in hub.log
    assert list((tmp_path / "spool").glob("*/*/*.spool"))


def test_a_hub_with_a_plugin_that_hangs_restarts_without_it(
    start_hub: Callable[..., Hub], bus: Bus, engine: Engine, hanger: str
) -> None:
    """In the same process, by itself; all other tables are complete, and the plugin's messages in the quarantine."""
    path = os.pathsep.join([hanger, os.environ.get("PYTHONPATH", "")])
    hub = start_hub({"statscache.plugin.hang": 2, "statscache.producer.frequency": 0.2}, PYTHONPATH=path)
    hub.wait_until_running()
    bus.send_all(message(number) for number in range(50))
    wait_for("the first to be counted", lambda: count(engine, "SELECT sum(volume) FROM data_hanger") == 50)
    bus.send(message(50, hang=True))
    wait_for("the restart", lambda: hub.log.count("statscache is running") == 2)
    assert hub.process.poll() is None

    def complete() -> bool:
        bus.send_all(message(number) for number in range(51, 101))  # until it listens; each counts once
        time.sleep(0.2)
        return count(engine, "SELECT sum(volume) FROM data_volume_1m") == 101

    wait_for("the rest to be counted", complete)
    for table in ("data_volume_by_topic_1m", "data_volume_by_category_1d"):
        assert count(engine, f"SELECT sum(volume) FROM {table}") == 101
    assert hub.end()[0] == 0, hub.log
    assert "hanger-1m hangs" in hub.log
    assert "in hang_here" in hub.log
    assert hub.log.count("hangs") == 1
    assert count(engine, "SELECT sum(volume) FROM data_hanger") == 50
    waiting = "SELECT count(*) FROM statscache_quarantine WHERE plugin = 'hanger-1m' AND attempts = 0"
    assert count(engine, waiting) == count(engine, "SELECT count(*) FROM statscache_quarantine") == 51
    assert count(engine, "SELECT count(*) FROM statscache_suspension WHERE until > now()") == 1
