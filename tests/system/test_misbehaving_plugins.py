"""A real hub with plugins that misbehave in every way that anybody could think of, beside ours, which count all."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
from sqlalchemy import Engine

from tests.support.health import get, url_of
from tests.support.hub import Bus, Hub, ordinary, volume, wait_for
from tests.support.misbehaving import EXITS, INTERRUPTS, PLUGINS, TWICE
from tests.support.packages import install

StartHub = Callable[..., Hub]
MESSAGES = 40


def start(start_hub: StartHub, path: Path, *lists: str) -> Hub:
    """Start a hub with lists of plugins that misbehave."""
    installed = install(path / "installed", "misbehaving", PLUGINS, **{name: name for name in lists})
    settings = {"statscache.producer.frequency": 0.2, "statscache.plugins.enabled": []}
    hub = start_hub(settings, PYTHONPATH=installed)
    hub.wait_until_running()
    return hub


def send(bus: Bus, engine: Engine) -> None:
    """Send messages, apart and together, and wait until ours and a good one have counted all of them."""
    for number in range(20):
        bus.send(ordinary(number))
        wait_for("it to be counted", lambda number=number: volume(engine) > number)
    bus.send_all(map(ordinary, range(20, MESSAGES)))
    wait_for("all to be counted", lambda: volume(engine) == MESSAGES)
    wait_for("all to be counted", lambda: volume(engine, "good_1d") == MESSAGES)


def children_of(hub: Hub) -> list[psutil.Process]:
    """Return the processes that the hub, or a child of it, has started and that are there a second later."""
    children = psutil.Process(hub.process.pid).children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=1)
    return alive


def assert_is_well(hub: Hub, engine: Engine, forked: int = 0) -> None:
    """See that there is one daemon, which lives and which a signal ends."""
    assert get(f"{url_of(hub)}/live")[0] == 200
    children = children_of(hub)
    assert len(children) == forked
    assert volume(engine) == volume(engine, "good_1d") == MESSAGES
    assert hub.end(signal.SIGTERM)[0] == 0
    for child in children:
        child.kill()


def test_what_plugins_do_in_process_reaches_nobody_else(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """What they raise, fork, change and hand over is theirs alone."""
    hub = start(start_hub, tmp_path, "good", "in_process", "on_call")
    send(bus, engine)
    for word in ("exits", "interrupts", "leaves", "stops", "evil", "group", "cancels"):
        assert volume(engine, f"{word}_1d") == MESSAGES - MESSAGES // 10, word
    assert volume(engine, "counts_too_much_1d") == MESSAGES - MESSAGES // 10
    assert "count takes the keys of counts_too_much_1d, none, and got 2" in hub.log
    assert volume(engine, "forks_1d") == MESSAGES
    assert volume(engine, "on_call_1d") == 0
    assert "its body has not run" in hub.log
    assert "as a child does" not in hub.log
    assert "has changed the handlers of signals of the whole process, which is put back" in hub.log
    assert "has changed the working directory of the whole process" in hub.log
    assert_is_well(hub, engine, forked=1)
    assert "threads go on that a plugin has started" in hub.log


def test_a_child_that_stays_keeps_no_spool_from_being_adopted(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """The lock of a killed daemon's spool is free, whatever a plugin has forked."""
    hub = start(start_hub, tmp_path, "good", "in_process")
    send(bus, engine)
    children = children_of(hub)
    bus.send(ordinary(MESSAGES))
    hub.kill()
    assert [child for child in children if child.is_running()]
    again = start_hub({"statscache.plugins.enabled": []})
    # The child has the old subscription's connection, so that the publisher does not notice the new one.
    wait_for("the next hub to run", lambda: "statscache is running" in again.log, 60.0)
    wait_for("the spool to be gone", lambda: len(list((tmp_path / "spool").glob("*/*"))) == 1)
    assert again.end()[0] == 0
    for child in children:
        child.kill()


def test_what_plugins_do_in_update_reaches_nobody_else(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """Those that raise count nothing, and all others everything."""
    hub = start(start_hub, tmp_path, "good", "in_update")
    send(bus, engine)
    assert volume(engine, "interrupts_late_1d") == 0
    assert volume(engine, "forks_late_1d") == MESSAGES
    assert volume(engine, "goes_away_late_1d") == MESSAGES
    assert_is_well(hub, engine, forked=1)


def test_a_plugin_that_silences_the_process_is_heard_of(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """What is logged, and where to, is put back; and messages count all the while."""
    hub = start(start_hub, tmp_path, "good", "silent")
    send(bus, engine)
    wait_for("it to be said", lambda: "has changed what is logged of the whole process" in hub.log)
    assert_is_well(hub, engine)


def test_what_cannot_run_is_named_and_nothing_else_is_kept_from_it(
    start_hub: StartHub, bus: Bus, engine: Engine, tmp_path: Path
) -> None:
    """Each plugin that does not load is in the log with the reason."""
    install(tmp_path / "installed-too", "twice", TWICE, second="second")
    install(tmp_path / "installed-three", "exits", EXITS, any="any")
    install(tmp_path / "installed-four", "interrupts", INTERRUPTS, any="any")
    installed = install(tmp_path / "installed", "misbehaving", PLUGINS, good="good", unfit="unfit")
    paths = ":".join(
        [
            installed,
            str(tmp_path / "installed-too"),
            *(str(tmp_path / f"installed-{number}") for number in ("three", "four")),
        ]
    )
    hub = start_hub(
        {"statscache.producer.frequency": 0.2, "statscache.plugins.enabled": []}, PYTHONPATH=paths
    )
    hub.wait_until_running()
    send(bus, engine)
    for reason in (
        "Promising: TypeError: its process is a coroutine function",
        "Generating: TypeError: its process is a generator function",
        "Raising: SystemExit: no model",
        "RaisingTopics: TypeError: its topics is a pattern of bytes",
        "Empty: TypeError: it has no process",
        "OddIdent: ValueError: its ident is None",
        "Exiting: SystemExit: in the constructor",
        "Queueless: TypeError: its queue is a list",
        "SystemExit: while it is imported",
        "interrupts:any: KeyboardInterrupt",
        "two models have the table twice_1d",
    ):
        assert reason in hub.log, reason
    assert_is_well(hub, engine)
