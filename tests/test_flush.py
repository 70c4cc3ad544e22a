"""Failing plugins, failing transactions and busy threads: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine, text

from statscache import rules
from statscache.db import create_tables, make_engine
from statscache.flush import Flusher, Pause
from statscache.intake import Intake
from statscache.loader import Part
from statscache.plugins import BasePlugin, CountingPlugin, Message, Schedule, counting_model
from statscache.runner import QueuedRunner, StatefulRunner, make_runner

MINUTE = Schedule(timedelta(minutes=1))


class Good(CountingPlugin):
    name = summary = description = "good"
    model = counting_model("test_good", "messages by their word", word="the word")

    def process(self, message: Message) -> None:
        self.count(message, message["msg"]["word"])


class Other(Good):
    name = "other"
    model = counting_model("test_other", "messages by their word", word="the word")


class Keeper(BasePlugin):
    """Keeps state of its own, and adds in Python."""

    name = summary = description = "keeper"
    model = counting_model("test_keeper", "messages")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.words: list[str] = []

    def process(self, message: Message) -> None:
        self.words.append(message["msg"]["word"])

    def update(self, session: Any) -> None:
        row = session.get(self.model, MINUTE.epoch) or self.model(timestamp=MINUTE.epoch, volume=0)
        row.volume += len(self.words)
        session.add(row)
        session.commit()
        self.words.clear()


class Bad(Good):
    """Counts, then does what the test says."""

    name = "bad"
    model = counting_model("test_bad", "messages by their word", word="the word")
    trouble: ClassVar[Callable[[Any], object]] = staticmethod(lambda session: None)

    def update(self, session: Any) -> None:
        super().update(session)
        Bad.trouble(session)


def fail(session: Any) -> None:
    raise RuntimeError("as the test says")


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


class Bench:
    """A flusher on plugins of the test's choice."""

    def __init__(self, url: str, *classes: type[BasePlugin]) -> None:
        self.engine = make_engine(url)
        create_tables(self.engine, [kind.model.__table__ for kind in classes])
        parts = [self._part(kind) for kind in classes]
        self.runners = [make_runner(part) for part in parts]
        self.intake = Intake(self.runners, rules)
        self.now = 0.0
        self.flusher = Flusher(self.engine, self.intake, self.runners, 1.0, lambda: self.now)

    @staticmethod
    def _part(kind: type[BasePlugin]) -> Part:
        def make() -> BasePlugin:
            return kind(MINUTE, {})

        return Part(kind.name, make(), make)

    def accept(self, *words: Any) -> None:
        for word in words:
            self.intake.accept({"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": 30})

    def volume(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(text(f"SELECT coalesce(sum(volume), 0) FROM {table}")))


@pytest.fixture
def bench(database: str) -> Any:
    """A bench with two good plugins around a bad one, and one with state of its own."""
    Bad.trouble = staticmethod(lambda session: None)
    bench = Bench(database, Good, Bad, Keeper, Other)
    yield bench
    bench.engine.dispose()


def test_our_kinds_are_processed_at_the_intake_and_all_others_before_their_update(bench: Bench) -> None:
    """A plugin that says it only queues is run as such, one with state of its own never."""
    assert [type(runner) for runner in bench.runners] == [
        QueuedRunner,
        QueuedRunner,
        StatefulRunner,
        QueuedRunner,
    ]

    class Claims(Good):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.seen: set[str] = set()

    assert type(make_runner(Bench._part(Claims))) is StatefulRunner


@pytest.mark.parametrize("name", TROUBLES)
def test_a_failing_update_costs_the_others_nothing_and_is_tried_again(name: str, bench: Bench) -> None:
    """The others commit; the plugin keeps what it had and writes it once when it can."""
    Bad.trouble = staticmethod(TROUBLES[name])
    bench.accept("x", "y")
    assert bench.flusher.flush() == 1
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other", "bad")] == [2, 2, 2, 0]
    bench.accept("z")
    assert bench.flusher.flush(even_paused=True) == 1
    Bad.trouble = staticmethod(lambda session: None)
    bench.accept("z")
    assert bench.flusher.flush() == 1, "it is left alone while its pause lasts"
    bench.now += 3600
    assert bench.flusher.flush() == 0
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other", "bad")] == [4, 4, 4, 4]


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
    bench.flusher.flush()
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
            bench.flusher.flush()
        assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other", "bad")] == [0, 0, 0, 0]
    Bad.trouble = staticmethod(lambda session: None)
    assert bench.flusher.flush() == 0
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other", "bad")] == [3, 3, 3, 3]


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "é" * 1301, "x" * 100_000, None, 7, ["x"], {"x": 1}])
def test_a_key_that_cannot_be_stored_is_set_aside_for_that_plugin_alone(word: Any, bench: Bench) -> None:
    """A message with such a key counts where the key plays no part, and the ones around it count everywhere."""
    bench.accept("before", word, "after")
    assert bench.flusher.flush() == 0
    assert [bench.volume(f"test_{n}") for n in ("good", "other", "keeper")] == [2, 2, 3]
    assert bench.runners[0].set_aside.total() == 1


@pytest.mark.parametrize(
    "word", ["é" * 1300, "x" * 2600, '"{},\\', "a b", "NULL", "", "'; DROP TABLE x", "\U0001f600"]
)
def test_any_other_text_is_a_key(word: str, bench: Bench) -> None:
    """Quotes, braces, backslashes and the longest keys come back from the table as they went in."""
    bench.accept(word, word)
    bench.flusher.flush()
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
    assert bench.flusher.flush() == 0
    assert bench.volume("test_good") == 1


def test_threads_that_accept_while_flushes_fail_and_succeed_lose_nothing(bench: Bench) -> None:
    """Every message accepted on any thread is counted exactly once by every plugin."""
    chance = random.Random(7)

    def sometimes(session: Any) -> None:
        if chance.random() < 0.5:
            fail(session)

    Bad.trouble = staticmethod(sometimes)
    threads = [threading.Thread(target=lambda: bench.accept(*"abcde" * 400)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        bench.flusher.flush(even_paused=True)
    Bad.trouble = staticmethod(lambda session: None)
    assert bench.flusher.flush(even_paused=True) == 0
    assert [bench.volume(f"test_{n}") for n in ("good", "keeper", "other", "bad")] == [8000] * 4


def test_the_thread_flushes_by_itself_and_at_once_when_hurried(bench: Bench) -> None:
    """Started, the flusher writes without being asked; stopped, it ends."""
    bench.flusher.start()
    bench.accept("x")
    bench.flusher.hurry()
    for _ in range(200):
        if bench.volume("test_good"):
            break
    assert bench.volume("test_good") == 1
    bench.flusher.stop()


def test_pauses_grow_to_a_bound_and_end_with_success() -> None:
    """What fails is left alone for 1, 2, 4 … 30 seconds."""
    now = 0.0
    pause = Pause(lambda: now)
    assert pause.over
    assert [pause.lengthen() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert not pause.over
    pause.end()
    assert pause.over
