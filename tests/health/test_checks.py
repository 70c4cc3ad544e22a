"""What a daemon says of itself when something is wrong with it, one thing at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.app import open_app
from statscache.health import checks as health_module
from statscache.health.checks import Health, Trouble
from statscache.health.collector import make_registry
from tests.support.bench import Bad, Bench, Good, fail
from tests.support.gate import Gate
from tests.support.hub import wait_for

MakeBench = Callable[..., Bench]
STARTED = "the flush thread is not running", "the hub has no endpoint of the bus"


def found(bench: Bench) -> list[Trouble]:
    """Return what is wrong with a daemon, but for its having neither a hub nor a timer."""
    return [trouble for trouble in Health(bench.daemon.parts).troubles if trouble.what not in STARTED]


@contextmanager
def running(bench: Bench) -> Iterator[None]:
    """Let a daemon flush."""
    bench.daemon.flusher.start()
    try:
        yield
    finally:
        bench.daemon.flusher.stop(0.0)


def test_all_is_well_with_a_daemon_that_only_waits(bench: Bench) -> None:
    """Without messages nothing is wrong."""
    assert found(bench) == []
    bench.accept("x")
    bench.flush()
    assert found(bench) == []


def test_a_daemon_whose_flush_has_ended_is_not_live(bench: Bench) -> None:
    """What only a new start can mend is told as such, as is a hub without a bus."""
    assert [death.what for death in Health(bench.daemon.parts).deaths()] == [STARTED[0]]
    assert {trouble.what for trouble in Health(bench.daemon.parts).troubles} == set(STARTED)
    with running(bench):
        assert list(Health(bench.daemon.parts).deaths()) == []


def test_a_plugin_that_fails_is_named_with_its_error_and_then_suspended(bench: Bench) -> None:
    """Neither makes the daemon unready, since all others count."""
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.flush()
    (trouble,) = found(bench)
    assert (trouble.kind, trouble.what, trouble.severe) == ("plugin", "bad fails", False)
    assert trouble.text == "bad fails: 1 failure so far, the last 0 s ago: RuntimeError: as the test says"
    bench.accept(*"x" * 30)
    bench.flush()
    (trouble,) = found(bench)
    cause = "20 messages in a row failed: RuntimeError: as the test says"
    assert trouble.text == f"bad has been suspended for 0 s: {cause}"
    assert not trouble.severe
    registry = make_registry(lambda: Health(bench.daemon.parts))
    value = registry.get_sample_value
    assert value("statscache_plugin_suspended", {"plugin": "bad"}) == 1
    assert value("statscache_plugin_suspended", {"plugin": "good"}) == 0
    assert value("statscache_plugin_failed_total", {"plugin": "bad"}) == 21
    assert value("statscache_plugin_processed_total", {"plugin": "bad"}) == 0
    assert value("statscache_plugin_processed_total", {"plugin": "good"}) == 31
    bench.daemon.upkeep.keep_up()
    assert value("statscache_quarantine_messages", {"plugin": "bad"}) == 31


def test_what_a_failed_flush_has_done_does_not_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures are of what is committed, so that a message is measured once, however often it is tried."""
    monkeypatch.setattr("statscache.counting.transaction.cover", lambda *args, **more: 1 / 0)
    bench.accept("x", "y")
    with pytest.raises(ZeroDivisionError):
        bench.flush()
    measures = bench.daemon.writer.measures
    assert (measures.plugins["good"].processed, measures.rows) == (0, 0)
    monkeypatch.undo()
    bench.flush()
    assert measures.plugins["good"].processed == measures.plugins["keeper"].processed == 2
    assert measures.delay.cumulated()[-1] == ("+Inf", 2)
    # Two in the ledger, two each in three tables, one in keeper's; then a spool's position, and who has counted.
    assert measures.rows >= 9


def test_one_call_of_a_plugin_that_takes_long_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it counts as hanging, since all others wait for it."""
    monkeypatch.setattr(health_module, "STUCK", 0.2)
    go = threading.Event()
    Bad.trouble = staticmethod(lambda session: go.wait(10))
    bench.accept("x")
    thread = threading.Thread(target=bench.flush)
    thread.start()
    try:
        (trouble,) = wait_for("the trouble", lambda: found(bench), 5.0)
        assert (trouble.what, trouble.severe) == ("one call of bad has been running", True)
    finally:
        go.set()
        thread.join()
    assert found(bench) == []


def test_messages_that_are_lost_are_told_of(make_bench: MakeBench) -> None:
    """A spool that is nearly full is a warning; a message that found no room is severe."""
    bench = make_bench(Good, spool_limit=4_000)
    while not (troubles := found(bench)):
        bench.accept("x" * 50)
    assert [trouble.severe for trouble in troubles] == [False]
    assert troubles[0].text.startswith("the spool is nearly full: 3")
    bench.accept(*["x" * 50] * 10)
    (trouble,) = found(bench)
    assert (trouble.kind, trouble.severe) == ("spool", True)
    assert trouble.text.endswith("ago: the spool has reached its limit of 4000 bytes")


def test_a_database_that_hangs_is_waited_for_and_named(
    make_bench: MakeBench, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that keeps its connections and answers nothing is noticed by what waits for it; and its return, at once."""
    if "host" not in engine.url.query:
        pytest.skip("needs a server on a local socket")
    monkeypatch.setattr(health_module, "STUCK", 0.3)
    monkeypatch.setattr("statscache.counting.flusher.PROBE", 0.2)
    gate = Gate(engine.url, tmp_path)
    bench = Bench(gate.url, tmp_path / "spool", Good)
    with running(bench):
        gate.stall()
        (trouble,) = wait_for("the trouble", lambda: found(bench), 5.0)
        assert trouble.what == "the check of the database has been waiting for the database"
        gate.flow()
        wait_for("all to be well", lambda: not found(bench), 5.0)
    bench.engine.dispose()


def test_a_flush_that_goes_on_failing_is_named_though_the_database_is_there(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is, it is told since when and why."""
    bench = make_bench(Good)
    monkeypatch.setattr(health_module, "AWAY", 0.1)
    monkeypatch.setattr("statscache.counting.transaction.cover", lambda *args, **more: 1 / 0)
    bench.accept("x")
    bench.daemon.flusher.tick()
    time.sleep(0.15)
    (trouble,) = found(bench)
    assert (trouble.kind, trouble.severe) == ("flush", True)
    assert trouble.text == "the flush has been failing for 0 s: division by zero"
    assert (
        make_registry(lambda: Health(bench.daemon.parts)).get_sample_value("statscache_flush_failures_total")
        == 1
    )


def test_a_plugin_that_cannot_run_is_named(bench: Bench, config: dict[str, Any], engine: Engine) -> None:
    """One whose table is not its model's is told of for as long as the daemon runs."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE data_volume_1m (volume integer)")
    app = open_app(config)
    assert set(app.unable) == {"volume-1m"}
    bench.daemon.app.unable = app.unable
    (trouble,) = found(bench)
    assert trouble.text.startswith("volume-1m does not run: its table data_volume_1m does not fit its model")
    app.engine.dispose()


@pytest.mark.parametrize(("ahead", "way"), [(3600.0, "behind"), (-3600.0, "ahead of")])
def test_clocks_that_differ_are_told_of(bench: Bench, ahead: float, way: str) -> None:
    """Nobody knows which is right, so it says by how much and goes on; a second or two is nothing."""
    clocks = bench.daemon.clocks
    for apart, words in ((2.0, []), (ahead, [f"this machine's clock is {way} the database's by 3600 s"])):
        asked = clocks.monotonic()
        clocks.note_database(time.time() + apart, asked, asked)
        troubles = found(bench)
        assert [trouble.text.split(":")[0] for trouble in troubles] == words
        assert not any(trouble.severe for trouble in troubles)


def test_what_is_told_of_lasts_as_long_whatever_is_done_to_the_clock(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss and a failure are told for minutes, and a reactor that works is live, though the clock is set."""
    bench = make_bench(Good, Bad, spool_limit=4_000)
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.flush()
    bench.accept(*["x" * 50] * 60)
    health = Health(bench.daemon.parts)
    bench.daemon.watermark.checked(True, 0)
    before = [trouble.what for trouble in health.troubles]
    assert {"messages were lost", "bad fails"} <= set(before)
    true = time.time
    for ahead in (86_400.0, -86_400.0):
        monkeypatch.setattr(time, "time", lambda ahead=ahead: true() + ahead)
        assert [trouble.what for trouble in health.troubles] == before
        assert [death.what for death in health.deaths()] == [STARTED[0]]
