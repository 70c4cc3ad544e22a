"""Failing plugins, failing transactions and busy threads: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.counting.pause import Pause
from statscache.hosting.runner import QueuedRunner, StatefulRunner, make_runner
from statscache.intake import backlog
from tests.bench import Bad, Bench, Good, Keeper, Other, fail
from tests.hub import wait_for

TROUBLES: dict[str, Callable[[Any], object]] = {
    "raises": fail,
    "commits and raises": lambda session: (session.commit(), fail(session)),
    "rolls back and raises": lambda session: (session.rollback(), fail(session)),
    "closes its session and raises": lambda session: (session.close(), fail(session)),
    "breaks a statement": lambda session: session.execute(text("SELECT 1 / 0")),
    "asks for a table that is not there": lambda session: session.execute(
        text("SELECT * FROM no_such_table")
    ),
}


def test_our_kinds_are_processed_at_the_intake_and_all_others_before_their_update(bench: Bench) -> None:
    """A plugin that says it only queues is run as such, one with state of its own never."""
    kinds = [type(make_runner(Bench._part(kind))) for kind in (Good, Bad, Keeper, Other)]
    assert kinds == [QueuedRunner, QueuedRunner, StatefulRunner, QueuedRunner]

    class Claims(Good):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.seen: set[str] = set()

    assert type(make_runner(Bench._part(Claims))) is StatefulRunner


@pytest.mark.parametrize("name", TROUBLES)
def test_a_failing_update_costs_the_others_nothing_and_is_tried_again(name: str, bench: Bench) -> None:
    """The others commit; the plugin's messages are in the quarantine, and count once when it works again."""
    Bad.trouble = staticmethod(TROUBLES[name])
    bench.accept("x", "y")
    bench.flush()
    assert bench.volumes() == [2, 2, 2, 0]
    assert bench.quarantined("bad") == ["1", "2"]
    assert bench.retry("bad") == 0
    Bad.trouble = staticmethod(lambda session: None)
    bench.accept("z")
    bench.flush()
    assert bench.volumes() == [3, 3, 3, 1]
    assert bench.retry("bad") == 2
    assert bench.volumes() == [3, 3, 3, 3]
    assert bench.quarantined("bad") == []


@pytest.mark.parametrize("name", ["swallows an error", "commits", "rolls back", "closes"])
def test_an_update_that_leaves_its_session_in_disorder_costs_the_others_nothing(
    name: str, bench: Bench
) -> None:
    """Whatever state a plugin leaves its session in, the others' counts are committed."""

    def swallow(session: Any) -> None:
        try:
            session.execute(text("SELECT * FROM no_such_table"))
        except Exception:
            return

    leave = {
        "swallows an error": swallow,
        "commits": lambda session: session.commit(),
        "rolls back": lambda session: session.rollback(),
        "closes": lambda session: session.close(),
    }
    Bad.trouble = staticmethod(leave[name])
    bench.accept("x")
    bench.flush()
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other")] == [1, 1, 1]


def test_a_failing_transaction_keeps_everything(bench: Bench, engine: Engine) -> None:
    """A connection that is cut within the flush costs nothing: all counts once afterwards."""

    def cut(session: Any) -> None:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        session.execute(text("SELECT 1"))

    Bad.trouble = staticmethod(cut)
    for words in (["x"], ["y", "z"]):
        bench.accept(*words)
        with pytest.raises(Exception, match=r"terminat|closed"):
            bench.flush()
        assert bench.volumes() == [0, 0, 0, 0]
    Bad.trouble = staticmethod(lambda session: None)
    bench.flush()
    assert bench.volumes() == [3, 3, 3, 3]
    assert bench.quarantined("bad") == []


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "é" * 1301, "x" * 100_000, None, 7, ["x"], {"x": 1}])
def test_a_key_that_cannot_be_stored_is_set_aside_for_that_plugin_alone(word: Any, bench: Bench) -> None:
    """A message with such a key counts where the key plays no part, and the ones around it count everywhere."""
    bench.accept("before", word, "after")
    bench.flush()
    assert [bench.volume(f"test_{n}") for n in ("good", "other", "keeper")] == [2, 2, 3]
    assert bench.quarantined("good") == bench.quarantined("other") == ["2"]
    assert bench.quarantined("keeper") == []


@pytest.mark.parametrize(
    "word", ["é" * 1300, "x" * 2600, '"{},\\', "a b", "NULL", "", "'; DROP TABLE x", "\U0001f600"]
)
def test_any_other_text_is_a_key(word: str, bench: Bench) -> None:
    """Quotes, braces, backslashes and the longest keys come back from the table as they went in."""
    bench.accept(word, word)
    bench.flush()
    with bench.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text("SELECT word, volume FROM test_good"))] == [
            (word, 2)
        ]


def test_a_longest_key_that_does_not_compress_fits_the_index(bench: Bench) -> None:
    """A key of 2,600 random bytes can be stored: the limit is not too high."""
    chance = random.Random(1)
    bench.accept(
        "".join(chance.choice("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQR") for _ in range(2600))
    )
    bench.flush()
    assert bench.volume("test_good") == 1


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


def test_pauses_grow_to_a_bound_and_end_with_success() -> None:
    """What fails is left alone for 1, 2, 4 … 30 seconds."""
    now = 0.0
    pause = Pause(lambda: now)
    assert pause.over
    assert [pause.lengthen() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert not pause.over
    pause.end()
    assert pause.over


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
