"""What a real hub answers over HTTP, and what it tells systemd."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable

import yaml
from sqlalchemy import Engine

from tests.support.health import get, ready, samples, url_of, wait_for_ready
from tests.support.hub import Bus, Hub, assert_ends_with_one_line, ordinary, volume, wait_for
from tests.support.prometheus import RULES
from tests.support.systemd import Systemd

StartHub = Callable[..., Hub]


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
        assert_is_ready_unless_the_database_is_slow(hub)
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.1)
    flood.join()
    assert slowest < 3
    wait_for_ready(hub)
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


def assert_is_ready_unless_the_database_is_slow(hub: Hub) -> None:
    """Take no other cause: a shared disk may hold up a commit for seconds, and then just this must be said."""
    code, status, causes = ready(hub)
    assert (code, status, causes) == (200, "ready", "") or re.fullmatch(
        r"the flush has been waiting for the database for \d+ s", causes
    )


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
