"""A real hub, from the socket to the tables, and how it stops."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.gate import Gate
from tests.support.hub import Bus, Hub, assert_ends_with_one_line, ordinary, volume, wait_for
from tests.support.shared import read_lines
from tests.support.tables import assert_as_expected, expected_after

StartHub = Callable[..., Hub]
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_real_messages_over_the_socket_come_to_the_expected_tables(
    name: str, start_hub: StartHub, bus: Bus, engine: Engine, shared: Path, capsys: Any
) -> None:
    """Every cell is what the oracle expects after the real messages have come over the bus, with every plugin on."""
    hub = start_hub()
    started = hub.wait_until_running()
    lines = read_lines(shared / "data" / f"{name}.jsonl")
    bus.send_all(line["message"] for line in lines)
    counted = sum(isinstance(line["message"].get("timestamp"), int | float) for line in lines)
    wait_for("all to be counted", lambda: volume(engine) == counted)
    code, stopped = hub.end()
    assert code == 0, hub.log
    assert_as_expected(engine, expected_after(shared, name), capsys)
    with capsys.disabled():
        print(f"hub started in {started:.1f} s and stopped in {stopped:.1f} s")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_on_a_quiet_bus_ends_the_hub(
    number: int, start_hub: StartHub, bus: Bus, engine: Engine
) -> None:
    """After a signal the hub writes what it has, though its timer has not yet, and exits with 0 within seconds."""
    hub = start_hub({"statscache.producer.frequency": 3600})
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(100)))
    time.sleep(0.5)
    assert volume(engine) == 0
    code, seconds = hub.end(number)
    assert code == 0, hub.log
    assert seconds < 5
    assert volume(engine) == 100


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_on_a_flooded_bus_ends_the_hub(
    number: int, start_hub: StartHub, bus: Bus, engine: Engine
) -> None:
    """While messages keep coming faster than they can be read, a signal still ends the hub with 0 in seconds, and
    every message that it says it has accepted is in the tables once another has started."""
    hub = start_hub()
    hub.wait_until_running()
    flooding = threading.Event()
    flooding.set()

    def flood() -> None:
        count = 0
        while flooding.is_set() and count < 2_000_000:
            bus.send(ordinary(count))
            count += 1

    publisher = threading.Thread(target=flood)
    publisher.start()
    try:
        wait_for("the first to be counted", lambda: volume(engine) > 0)
        code, seconds = hub.end(number)
    finally:
        flooding.clear()
        publisher.join()
    assert code == 0, hub.log
    assert seconds < 5
    accepted = int(re.findall(r"has stopped, (\d+) messages? accepted", hub.log)[-1])
    again = start_hub()
    again.wait_until_running()
    wait_for("the rest", lambda: volume(engine) >= accepted)
    assert again.end()[0] == 0
    assert volume(engine) == volume(engine, "data_volume_by_category_1d") == accepted > 0


def test_what_has_arrived_is_counted_before_the_end(start_hub: StartHub, bus: Bus, engine: Engine) -> None:
    """A burst that was received before the signal is counted to the last message."""
    hub = start_hub()
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(5_000)))
    time.sleep(0.3)
    code, _ = hub.end()
    assert code == 0, hub.log
    assert volume(engine) == 5_000


def test_odd_frames_harm_nothing(start_hub: StartHub, bus: Bus, engine: Engine, shared: Path) -> None:
    """Of every odd thing that a bus can carry what can be counted is, and an ordinary message after it counts."""
    odd: dict[str, Any] = {}
    exec((shared / "tools" / "odd_frames.py").read_text(encoding="utf-8"), odd)
    hub = start_hub({"statscache.producer.frequency": 0.1})
    hub.wait_until_running()
    for number, (name, frames, outcome) in enumerate(odd["ODD_FRAMES"], start=1):
        # An id and a second of its own for each: of messages that are the same only the first counts.
        own = b'"odd-%d"' % number, b"%d" % (1_700_000_000 + number)
        bus.send_frames([f.replace(b'"odd"', own[0]).replace(b"1700000000", own[1]) for f in frames])
        bus.send(ordinary(number))
        where = "timestamp = to_timestamp(1700000000 - 1700000000 % 60)"
        counted = sum(frame[2] == "counted" for frame in odd["ODD_FRAMES"][:number])
        wait_for(f"what is sent after {name!r}", lambda n=number: bodhi(engine) == n)
        assert volume(engine, where=where) == number + counted, f"{name} is not {outcome}"
    code, _ = hub.end()
    assert code == 0, hub.log
    assert volume(engine, "data_volume_by_topic_1m", "topic = 'org.fedoraproject.dev.odd.shape'") > 0
    for reason in ("no timestamp", "is not a number", "between 1970 and 9999"):
        assert reason in hub.log
    assert "could not count the message" in hub.log


def bodhi(engine: Engine) -> int:
    """Return how many ordinary messages are counted."""
    return volume(engine, "data_volume_by_category_1d", "category = 'bodhi'")


BAD_SETTINGS = [
    ({"statscache.sqlalchemy.uri": None}, "statscache.sqlalchemy.uri"),
    ({"statscache.sqlalchemy.uri": "sqlite:////tmp/x"}, "statscache.sqlalchemy.uri"),
    ({"statscache.producer.frequency": -1}, "statscache.producer.frequency"),
    ({"statscache.plugins.enabled": ["volume_by_moon"]}, "statscache.plugins.enabled"),
    ({"statscache.plugins.disabled": "volume"}, "statscache.plugins.disabled"),
    ({"statscache.consumer.enabled": "False"}, "statscache.consumer.enabled"),
    ({"statscache.consumer.enabled": 0}, "statscache.consumer.enabled"),
    ({"validate_signatures": None}, "validate_signatures"),
    (
        {
            "statscache.sqlalchemy.uri": "postgresql://me:secret@127.0.0.1:9/nowhere",
            "statscache.database.wait": 1,
        },
        "statscache.sqlalchemy.uri",
    ),
]


@pytest.mark.parametrize(("settings", "named"), BAD_SETTINGS)
def test_a_bad_setting_ends_the_hub_with_one_line(
    settings: dict[str, Any], named: str, start_hub: StartHub
) -> None:
    """A hub that cannot do its job says in one line which setting is to blame, and exits with 1."""
    assert_ends_with_one_line(start_hub(settings), named)


@pytest.mark.parametrize(
    "url", ["sqlite:////tmp/x", "postgresql://me:secret@h/d?nonsense=1", "embedded:~no-such-user/x"]
)
def test_a_wrong_url_in_the_environment_ends_the_hub_with_one_line(url: str, start_hub: StartHub) -> None:
    """It is the variable that is to blame, and not a file."""
    hub = start_hub({}, STATSCACHE_SQLALCHEMY_URI=url)
    assert_ends_with_one_line(hub, "STATSCACHE_SQLALCHEMY_URI")
    assert "fedmsg.d" not in hub.log


def test_no_plugin_at_all_ends_the_hub_with_one_line(start_hub: StartHub) -> None:
    """A hub with every plugin turned off exits with 1 and says what to change."""
    names = [entry.name for entry in entry_points(group="statscache.plugin")]
    hub = start_hub({"statscache.plugins.disabled": names, "statscache.plugins.enabled": []})
    assert hub.wait() == 1
    assert "no plugin loads" in hub.log.strip().splitlines()[-1]


def test_a_hub_where_statscache_is_not_enabled_runs_without_it(start_hub: StartHub) -> None:
    """The setting statscache.consumer.enabled turns all of it off, whatever the other settings are."""
    hub = start_hub({"statscache.consumer.enabled": False, "statscache.sqlalchemy.uri": None})
    wait_for("the hub to run", lambda: "Running the MokshaHub reactor" in hub.log)
    assert hub.process.poll() is None


def test_a_database_that_is_away_for_a_while_loses_nothing(
    start_hub: StartHub, bus: Bus, engine: Engine, server: Engine, gate: Gate
) -> None:
    """While the database is out of reach the bus is read on, and all is counted once it is back."""
    hub = start_hub({"statscache.sqlalchemy.uri": gate.url})
    hub.wait_until_running()
    bus.send_all(map(ordinary, range(1_000)))
    wait_for("the first thousand", lambda: volume(engine) == 1_000)
    gate.shut()
    bus.send_all(map(ordinary, range(1_000, 3_000)))
    wait_for("the flush to fail", lambda: "the flush failed" in hub.log)
    gate.open()
    wait_for("the rest", lambda: volume(engine) == 3_000)
    assert hub.end()[0] == 0


def test_what_cannot_be_written_at_the_end_waits_for_the_next_start(
    start_hub: StartHub, bus: Bus, engine: Engine, gate: Gate
) -> None:
    """If the last flush fails the hub says so and exits with 0 in seconds; the next one counts what was accepted."""
    hub = start_hub({"statscache.sqlalchemy.uri": gate.url})
    hub.wait_until_running()
    gate.shut()
    bus.send_all(map(ordinary, range(100)))
    time.sleep(0.5)
    code, seconds = hub.end()
    assert code == 0, hub.log
    assert seconds < 5
    assert "in the spool for the next start" in hub.log
    gate.open()
    again = start_hub({"statscache.sqlalchemy.uri": gate.url})
    again.wait_until_running()
    wait_for("what the first hub had accepted", lambda: volume(engine) == 100)
    assert again.end()[0] == 0
