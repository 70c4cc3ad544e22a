"""What a real hub claims to have heard, while publishers come and go and while it is frozen."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.hub import Bus, Hub, ordinary, volume, wait_for

LATENESS = 1
#: A hub that waits less than it should, looks at its sockets all the time, and writes each claim that it could make:
#: `claim ACCEPTED START STOP`.
WATCHED = f"""
import moksha.hub, threading, time
from statscache.bus import fedmsg, looks, watermark
from tests.support.hub import wait_for

def observe():
    hub = wait_for("the hub", lambda: getattr(moksha.hub, "_hub", None))
    daemon, last = hub.consumers[0]._service._daemon, None
    while True:
        accepted, position = daemon.intake.accepted, daemon.intake.position
        span = daemon.watermark.claim(position, {LATENESS})
        if span is not None and span != last:
            print("claim", accepted, span.start, span.stop, flush=True)
        last = span
        time.sleep(0.01)

watermark.SETTLE, looks.APART, fedmsg.EVERY, fedmsg.PATIENCE = 0.1, 0.2, 0.001, 0.3
threading.Thread(target=observe, daemon=True).start()
"""


class Watched(Hub):
    """A hub that tells its claims."""

    script = WATCHED + Hub.script

    @property
    def claims(self) -> list[tuple[int, int, int]]:
        """Each claim so far: how many messages were accepted by then, and from when until when."""
        found = re.findall(r"^claim (\d+) (\d+) (\d+)$", self.log, re.MULTILINE)
        return [(int(accepted), int(start), int(stop)) for accepted, start, stop in found]

    def wait_for_claim(self, after: float) -> None:
        """Wait until it claims to have heard everything in a span that begins after that time."""
        wait_for(f"a claim after {after}", lambda: any(start >= after for _, start, _ in self.claims))


@pytest.fixture
def start_watched(tmp_path: Path, bus: Bus, config: dict[str, Any]) -> Iterator[Callable[..., Watched]]:
    """Starts such a hub, with a configuration of its own."""
    hubs = []

    def start(**settings: Any) -> Watched:
        hubs.append(Watched(tmp_path, bus, {**config, **settings}))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.kill()


@pytest.fixture
def deaf() -> str:
    """An endpoint that nobody answers at, but could."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{reserved.getsockname()[1]}"


def test_only_while_all_publishers_are_there_is_anything_heard_in_full(
    start_watched: Callable[..., Watched], bus: Bus, deaf: str, engine: Engine
) -> None:
    """A publisher that is not there keeps the hub from claiming anything; one that goes and comes back leaves a
    gap around its absence. Whoever is there is heard at once, and a stop stays fast."""
    hub = start_watched(endpoints={"one": [bus.endpoint], "two": [deaf]})
    hub.wait_until_running()
    for message in map(ordinary, range(100)):
        bus.send(message)
        time.sleep(0.002)  # so that a look at the sockets meets one that has just come
    wait_for("the warning", lambda: f"no connection to {deaf}: no time is covered" in hub.log)
    wait_for("what the other sends", lambda: volume(engine) == 100)
    assert not hub.claims
    assert f"no connection to {bus.endpoint}" not in hub.log

    other, came = Bus(deaf), time.time()
    hub.wait_for_claim(came)
    assert f"connected to {deaf}" in hub.log
    went = time.time()
    bus.close()
    wait_for("the loss", lambda: f"lost the connection to {bus.endpoint}" in hub.log)
    wait_for("the warning", lambda: f"no connection to {bus.endpoint}: no time is covered" in hub.log)
    back, returned = Bus(bus.endpoint), time.time()
    back.wait_for_subscriber()
    back.send_all(map(ordinary, range(100, 200)))
    other.send_all(map(ordinary, range(200, 300)))
    hub.wait_for_claim(returned)
    wait_for("what both send", lambda: volume(engine) == 300)
    assert all(start >= came and (stop <= went or start >= returned) for _, start, stop in hub.claims)
    code, seconds = hub.end()
    assert code == 0, hub.log
    assert seconds < 2
    assert "Traceback" not in hub.log
    for publisher in (other, back):
        publisher.close()


def test_a_hub_that_was_frozen_claims_nothing_that_it_has_not_read(
    start_watched: Callable[..., Watched], bus: Bus
) -> None:
    """Messages come all the time, also while the process does nothing: each claim has those before its end."""
    hub = start_watched()
    hub.wait_until_running()
    times: list[float] = []
    ends = threading.Event()

    def publish() -> None:
        while not ends.wait(0.002):
            times.append(time.time())
            bus.send(ordinary(len(times), times[-1]))

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        hub.wait_for_claim(0)
        hub.process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        hub.process.send_signal(signal.SIGCONT)
        resumed = time.time()
        wait_for("a claim after it", lambda: any(stop > resumed for _, _, stop in hub.claims))
    finally:
        ends.set()
        publisher.join()
    assert len({start for _, start, _ in hub.claims}) == 1
    for accepted, _, stop in hub.claims:
        assert sum(when < stop for when in times) <= accepted
