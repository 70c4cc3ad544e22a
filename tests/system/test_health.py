"""A real hub says within ten seconds what keeps it from its work, and that it is well when it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.commands import make_busy
from tests.support.databases import new_database
from tests.support.gate import Gate
from tests.support.health import get, ready, samples, url_of, wait_for_ready
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.place import Place

StartHub = Callable[..., Hub]
#: How long in seconds a trouble may go unsaid.
BAR = 10.0


def troubles(hub: Hub) -> list[tuple[str, ...]]:
    """Return the kind, the severity and the words of each trouble in the metrics."""
    return [labels for name, labels in samples(hub) if name == "statscache_trouble_seconds"]


def assert_says(hub: Hub, since: float, code: int, word: str, words: str) -> None:
    """See that /ready and the metrics name a trouble in such words, within the bar since that time."""
    wait_for(words, lambda: re.search(words, ready(hub)[2]), BAR - (time.monotonic() - since))
    assert ready(hub)[:2] == (code, word)
    assert any(re.search(re.split(r" for |: ", words)[0], what) for _, _, what in troubles(hub))
    assert samples(hub)["statscache_ready", ()] == (code == 200)
    assert time.monotonic() - since < BAR
    assert get(f"{url_of(hub)}/live")[0] == 200


def status(place: Place, *words: str) -> dict[str, Any]:
    """Return what `statscache status` tells, which must hold these words and come before the bar."""
    before = time.monotonic()
    code, output, _ = place.run("status", "--json")
    assert time.monotonic() - before < 2 * BAR  # beside other tests a process takes seconds to start
    found: dict[str, Any] = json.loads(output)
    assert (code, found["code"]) == (
        found["code"],
        ["fine", "degraded", "not working"].index(found["status"]),
    )
    causes = "; ".join(found["causes"])
    assert all(re.search(word, causes) for word in words), causes
    return found


def test_a_hub_is_ready_on_a_quiet_bus_and_names_each_trouble_within_ten_seconds(
    start_hub: StartHub,
    bus: Bus,
    gate: Gate,
    engine: Engine,
    there: Place,
    address: str,
    config: dict[str, Any],
) -> None:
    """A plugin that fails, a database and a bus that are away, and a hub that is stopped are named by /ready, the
    metrics and `statscache status`, and nothing is once they are back."""
    settings = {
        **config,
        "statscache.sqlalchemy.uri": gate.url,
        "statscache.monitoring.address": address,
    }
    there.environment["STATSCACHE_SQLALCHEMY_URI"] = gate.url
    there.configure(settings)
    hub = start_hub(settings)
    hub.wait_until_running()
    wait_for_ready(hub)
    assert status(there)["status"] == "fine"
    assert_says_that_a_plugin_fails(hub, bus)
    assert status(there, "volume-by-topic-1s fails")["status"] == "degraded"
    gate.shut()
    bus.close()
    before = time.monotonic()
    assert_says(hub, before, 503, "not ready", rf"no connection to {bus.endpoint} for \d+ s")
    assert_says(hub, before, 503, "not ready", r"the database has been away for \d+ s: .*No such file")
    found = status(
        there, "the database .* cannot be reached", "the database has been away", "no connection to"
    )
    assert found["status"] == "not working"
    again = Bus(bus.endpoint)
    again.wait_for_subscriber()
    again.send_all(map(ordinary, range(3)))
    time.sleep(0.5)
    gate.open()
    wait_for("what came meanwhile", lambda: volume(engine, "data_volume_by_category_1d") == 4, 5.0)
    wait_for("the hub to be ready", lambda: ready(hub)[0] == 200, 5.0)
    again.close()
    assert hub.end()[0] == 0
    found = status(
        there, rf"no daemon answers at {address} \(.*refused\)", "volume-by-topic-1s fails, the last"
    )
    assert found["status"] == "not working"


def assert_says_that_a_plugin_fails(hub: Hub, bus: Bus) -> None:
    """Send what one plugin cannot digest, and see that it is named."""
    bus.send({**ordinary(-1), "topic": f"org.fedoraproject.prod.bodhi.{'x' * 3000}"})
    words = r"volume-by-topic-1s fails: 1 failure so far, the last [01] s ago: .*bytes"
    assert_says(hub, time.monotonic(), 200, "degraded", words)
    found = samples(hub)
    assert found["statscache_plugin_failed_total", ("volume-by-topic-1s",)] == 1
    assert found["statscache_plugin_failed_total", ("volume-by-user-1s",)] == 0
    assert found["statscache_plugin_processed_total", ("volume-by-category-1d",)] == 1


def test_the_daemon_of_another_database_is_not_taken_for_this_one_s(
    start_hub: StartHub, there: Place, address: str, config: dict[str, Any], busy_elsewhere: Place
) -> None:
    """`status` of a database whose daemon is stopped is not fine because some other daemon answers there."""
    hub = start_hub({**config, "statscache.monitoring.address": address})
    hub.wait_until_running()
    wait_for_ready(hub)
    for place in (there, busy_elsewhere):
        place.configure(
            {**config, "statscache.sqlalchemy.uri": None, "statscache.monitoring.address": address}
        )
    assert status(there)["status"] == "fine"
    words = rf"no daemon answers at {address} \(the daemon there writes to another database than that of STATSCACHE_"
    found = status(busy_elsewhere, words)
    assert found["status"] == "not working"
    assert found["answers"] is False
    assert found["queue"] is None
    assert not any(plugin["processed"] for plugin in found["plugins"])
    assert hub.end()[0] == 0


@pytest.fixture
def busy_elsewhere(server: Engine, tmp_path: Path) -> Iterator[Place]:
    """A place with a database of its own, which was written just now."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    with new_database(server) as url:
        yield make_busy(Place(directory, url))
