"""What the hub answers over HTTP, what it tells systemd, and the alerts that are made of it."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from statscache.counting.measures import Distribution
from statscache.health.systemd import SystemdNotifier
from statscache.setting_types import _address_or_none
from tests.hub import Bus, Hub, wait_for
from tests.test_health import get, ready, samples, url_of, wait_for_ready
from tests.test_hub import assert_ends_with_one_line, ordinary, volume

StartHub = Callable[..., Hub]
RULES = Path(__file__).parents[1] / "extras" / "prometheus" / "statscache.rules.yml"


class Systemd:
    """The socket on which systemd hears its services."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self.heard: list[str] = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        while data := self._socket.recv(65536):
            self.heard += data.decode().splitlines()

    def waits_for(self, line: str) -> None:
        """Wait until a line has been said."""
        wait_for(line, lambda: line in self.heard)

    def close(self) -> None:
        """Hear no more."""
        self._socket.shutdown(socket.SHUT_RD)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """A systemd that listens."""
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.close()


def test_a_hub_under_systemd_answers_while_it_is_flooded(
    start_hub: StartHub, bus: Bus, engine: Engine, systemd: Systemd
) -> None:
    """It is ready when it runs, lives on, is answered for in a flood, and says that it stops; every metric that the
    alerts name is there."""
    hub = start_hub({}, WATCHDOG_USEC="600000", **systemd.environment)
    systemd.waits_for("STATUS=not ready: statscache is starting")
    assert "READY=1" not in systemd.heard
    hub.wait_until_running()
    systemd.waits_for("READY=1")
    systemd.heard.clear()
    systemd.waits_for("WATCHDOG=1")
    wait_for_ready(hub)
    assert_answers_in_a_flood(hub, bus, engine)
    assert_tells_all_that_alerts_are_made_of(hub)
    assert_is_no_more_than_three_pages(hub)
    assert hub.end()[0] == 0
    systemd.waits_for("STOPPING=1")


def assert_answers_in_a_flood(hub: Hub, bus: Bus, engine: Engine) -> None:
    """Send many messages at once, twice the same, and ask all the while."""
    total = 15_000
    flood = threading.Thread(target=lambda: bus.send_all(map(ordinary, [*range(total), *range(total)])))
    flood.start()
    slowest = 0.0
    while flood.is_alive() or volume(engine) < total:
        before = time.monotonic()
        assert ready(hub) == (200, "ready", "")
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.1)
    flood.join()
    assert slowest < 3
    wait_for(
        "all to be accepted", lambda: samples(hub)["statscache_messages_accepted_total", ()] == 2 * total
    )
    wait_for("all to be counted", lambda: samples(hub)["statscache_spool_bytes", ()] == 0)
    found = samples(hub)
    assert found["statscache_messages_received_total", ()] == 2 * total
    assert found["statscache_messages_duplicate_total", ()] == total
    assert found["statscache_plugin_processed_total", ("volume-1m",)] == total
    assert found["statscache_delay_seconds_count", ()] == found["statscache_delay_seconds_bucket", ("+Inf",)]
    assert found["statscache_flush_rows_total", ()] >= total  # the ledger's
    assert found["statscache_bus_connected", (bus.endpoint,)] == 1


def assert_tells_all_that_alerts_are_made_of(hub: Hub) -> None:
    """See that each metric of each alert is in a scrape."""
    told = set(re.findall(r"^# TYPE (\S+)", get(f"{url_of(hub)}/metrics")[1], re.MULTILINE))
    expressions = [
        rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    named = set(re.findall(r"\bstatscache_\w+", " ".join(expressions)))
    assert len(named) >= 10
    assert named <= told


def assert_is_no_more_than_three_pages(hub: Hub) -> None:
    """See what comes of other paths and methods."""
    url = url_of(hub)
    assert get(f"{url}/live") == (200, '{"status": "live", "causes": []}\n')
    code, body = get(f"{url}/")
    assert (code, json.loads(body)) == (404, {"error": "there are /live, /ready and /metrics"})
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", "/ready")
    assert connection.getresponse().status == 405


def test_an_address_that_is_taken_ends_the_hub_with_one_line(start_hub: StartHub) -> None:
    """A hub that cannot be looked at as the settings say does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        hub = start_hub({"statscache.monitoring.address": address})
        assert_ends_with_one_line(hub, f"statscache.monitoring.address is {address}")


def test_a_hub_without_an_address_runs_and_listens_nowhere(start_hub: StartHub) -> None:
    """An empty address switches it off."""
    hub = start_hub({"statscache.monitoring.address": ""})
    hub.wait_until_running()
    assert "/ready" not in hub.log
    assert hub.end()[0] == 0


@pytest.mark.parametrize("value", ["127.0.0.1:9108", "[::1]:0", "localhost:65535", ""])
def test_an_address_has_a_host_and_a_port(value: str) -> None:
    """Also one of IPv6 in brackets."""
    assert _address_or_none(value) == value


@pytest.mark.parametrize(
    "value", ["9108", ":9108", "127.0.0.1", "::1:80", "a:65536", "a:b", "a b:1", "a:1\n", None, 1]
)
def test_other_addresses_are_refused(value: object) -> None:
    """The setting's error says what it must be."""
    with pytest.raises(ValueError, match=r"^a host and a port, such as .* or '' for none$"):
        _address_or_none(value)


def test_a_process_that_is_not_live_is_silent_to_the_watchdog(systemd: Systemd) -> None:
    """Its status is told all the same, on one line."""
    live = [False]
    notifier = SystemdNotifier(lambda: live[0], lambda: "not ready:\nso", systemd.environment)
    notifier.tell()
    live[0] = True
    notifier.tell()
    wait_for("both", lambda: len(systemd.heard) == 3)
    assert systemd.heard == ["STATUS=not ready: so", "WATCHDOG=1", "STATUS=not ready: so"]


def test_a_process_that_stops_is_live_until_its_end(systemd: Systemd) -> None:
    """What it has brought to an end is no sign of death then, and its status stays."""
    notifier = SystemdNotifier(lambda: False, lambda: "not ready", systemd.environment)
    notifier.stop()
    notifier.tell()
    wait_for("both", lambda: len(systemd.heard) == 3)
    assert systemd.heard == ["STOPPING=1", "STATUS=stopping", "WATCHDOG=1"]


def test_without_systemd_nothing_is_told() -> None:
    """No socket, no error; also where the socket is gone."""
    SystemdNotifier(lambda: True, lambda: "ready", {}).ready()
    SystemdNotifier(lambda: True, lambda: "ready", {"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()


def test_a_distribution_counts_what_is_at_most_each_bound() -> None:
    """As Prometheus wants it: each bucket has all smaller ones."""
    values = Distribution((1.0, 5.0))
    values.add(1.0)
    values.add(3.0, 2)
    values.add(60.0)
    assert values.cumulated() == [("1.0", 1), ("5.0", 3), ("+Inf", 4)]
    assert values.sum == 67.0


def test_the_alerts_are_sound() -> None:
    """Each rule has an expression, a severity, and words; Prometheus's own tool agrees where it is installed."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
    if promtool := shutil.which("promtool"):
        for command in (["check", "rules", RULES.name], ["test", "rules", "statscache.rules.test.yml"]):
            subprocess.run([promtool, *command], cwd=RULES.parent, check=True, capture_output=True)
