"""The flush's thread: it writes by itself, waits after failures, and loses nothing of what is accepted meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from statscache.intake import backlog
from tests.support.bench import Bad, Bench, Good
from tests.support.hub import wait_for


def test_threads_that_accept_while_flushes_fail_and_succeed_lose_nothing(bench: Bench) -> None:
    """Every message accepted on any thread is counted exactly once by every plugin."""
    chance = random.Random(7)

    def sometimes(session: Any) -> None:
        if chance.random() < 0.5:
            session.connection().invalidate()
            session.execute(text("SELECT 1"))

    Bad.trouble = staticmethod(sometimes)

    def accept(thread: int) -> None:
        for number in range(2000):
            body = {"topic": "a.b.c.d", "msg": {"word": "abcde"[number % 5]}, "timestamp": 30}
            bench.intake.accept({**body, "msg_id": f"{thread}-{number}"})

    threads = [threading.Thread(target=accept, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    failures = 0
    while any(thread.is_alive() for thread in threads):
        try:
            bench.flush()
        except Exception:
            failures += 1
    Bad.trouble = staticmethod(lambda session: None)
    bench.flush()
    assert failures > 0
    assert bench.volumes() == [8000] * 4
    assert bench.quarantined("bad") == []


def test_the_thread_flushes_by_itself_and_at_once_when_hurried(bench: Bench) -> None:
    """Started, the flusher writes without being asked; stopped, it writes what is left and ends."""
    bench.daemon.start()
    bench.accept("x")
    bench.daemon.wake.hurry()
    deadline = time.monotonic() + 10
    while not bench.volume("test_good") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bench.volume("test_good") == 1
    bench.accept("y")
    assert bench.daemon.finish(5)
    assert bench.volume("test_good") == 2


def test_what_can_wait_and_fails_delays_no_flush(bench: Bench) -> None:
    """Messages of the past that cannot be counted have pauses of their own."""
    asked = []

    def spare() -> bool:
        asked.append(1)
        raise RuntimeError("as the test says")

    flusher = bench.daemon.flusher
    flusher._chores.use_spare_time = spare
    assert not flusher.use_spare_time()
    assert not flusher.use_spare_time()
    assert len(asked) == 1, "it was left alone the second time"
    bench.accept("a")
    flusher.tick()
    assert bench.volume("test_good") == 1


def test_a_burst_that_is_over_does_not_wait_for_the_next_flush(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many messages of which no more come are written at once, few at the end of the interval."""
    monkeypatch.setattr(backlog, "BURST", 10)
    bench = make_bench(Good, frequency=60.0)
    bench.daemon.flusher.start()
    bench.accept(*"x" * 9)
    time.sleep(0.5)
    assert bench.volume("test_good") == 0
    bench.accept("x")
    wait_for("the burst to be counted", lambda: bench.volume("test_good") == 10, 5)
    bench.daemon.flusher.stop(5)
