"""A hub that may have few descriptors, and those who take them: slow clients, and a plugin that closes nothing."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine

from tests.support.health import ready, url_of, wait_for_ready
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.packages import install
from tests.support.slow_clients import SlowClients
from tests.support.sql import run

StartHub = Callable[..., Hub]
DESCRIPTORS = 128
#: How long in seconds they stay, which is longer than a request may take.
STAY = 25.0
#: Within so many seconds the daemon answers others meanwhile: so long Prometheus waits by default.
ANSWER = 10.0
HOARDER = """
import os
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model

kept = []

class Hoarder(CountingPlugin):
    name = summary = description = "hoarder"
    interval = timedelta(days=1)
    model = counting_model("hoarder_1d", "messages")

    def process(self, message):
        n = message["msg"]["n"]
        if n == 10:
            try:
                while True:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
        elif n == 500:
            while kept:
                os.close(kept.pop())
        self.count(message)
"""


def start_with_few_descriptors(start_hub: StartHub, **environment: str) -> Hub:
    """Start a hub that may have no more than a few descriptors."""
    hub = start_hub({"statscache.producer.frequency": 0.2}, **environment)
    resource.prlimit(hub.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    hub.wait_until_running()
    # Again, as fedmsg-hub raises the limit where it may.
    resource.prlimit(hub.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    wait_for_ready(hub)
    return hub


def address_of(hub: Hub) -> tuple[str, int]:
    """Return where a hub's health endpoints listen."""
    host, _, port = url_of(hub).removeprefix("http://").rpartition(":")
    return host, int(port)


def test_slow_clients_take_neither_descriptors_nor_threads_nor_memory_from_the_daemon(
    start_hub: StartHub, bus: Bus, engine: Engine
) -> None:
    """Every message counts, the daemon stays ready and says so to whoever asks, and what it uses stays bounded."""
    hub = start_with_few_descriptors(start_hub)
    process = psutil.Process(hub.process.pid)
    threads, memory = process.num_threads(), process.memory_info().rss
    sent = 0
    with SlowClients(address_of(hub)).at_work():
        until = time.monotonic() + STAY
        while time.monotonic() < until:
            bus.send_all(map(ordinary, range(sent, sent + 20)))
            sent += 20
            before = time.monotonic()
            assert ready(hub) == (200, "ready", "")
            assert time.monotonic() - before < ANSWER
            assert process.num_threads() <= threads + 20
            assert process.num_fds() < DESCRIPTORS - 20
            time.sleep(0.1)
        wait_for("all to be counted", lambda: volume(engine) == sent)
        assert process.memory_info().rss < memory + (20 << 20)
    wait_for("their threads to end", lambda: process.num_threads() <= threads + 2)
    assert "Traceback" not in hub.log.partition("statscache is running")[2]
    assert "lost a message" not in hub.log
    assert hub.end()[0] == 0


def test_a_daemon_whose_descriptors_are_used_up_says_so_and_loses_nothing(
    start_hub: StartHub, bus: Bus, engine: Engine, server: Engine, tmp_path: Path
) -> None:
    """Its spool grows by new files and its database is connected to anew, with descriptors kept in reserve."""
    hub = start_with_few_descriptors(
        start_hub, PYTHONPATH=install(tmp_path / "installed", "hoarder", HOARDER, hoarder="Hoarder")
    )
    bus.send_all(map(ordinary, range(20)))
    words = r"few file descriptors are left: \d+ of 128 are in use"
    wait_for("the trouble to be said", lambda: re.search(words, ready(hub)[2]), 10.0)
    assert ready(hub)[:2] == (503, "not ready")
    for sent in range(20, 120, 20):
        run(
            server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'statscache'",
        )
        bus.send_all(map(large, range(sent, sent + 20)))
        wait_for("all to be counted", partial(counts, engine, sent + 20))
    bus.send_all(map(ordinary, range(500, 520)))
    wait_for_ready(hub)
    wait_for("all to be counted", partial(counts, engine, 140))
    assert volume(engine, "hoarder_1d") == 140
    assert "lost a message" not in hub.log
    assert hub.end()[0] == 0


def counts(engine: Engine, messages: int) -> bool:
    """Return whether so many messages have been counted."""
    return volume(engine) == messages


def large(number: int) -> dict[str, Any]:
    """Return a message of which a few fill one file of a spool."""
    return {**ordinary(number), "filler": "x" * (200 << 10)}
