"""The quarantine: what one plugin cannot digest costs nobody else anything, and counts once when it can."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from statscache.daemon import Daemon
from statscache.hosting.suspension_policy import MOST
from statscache.plugins import BasePlugin, Message, counting_model
from statscache.store.quarantine import PAUSES
from tests.bench import MINUTE, Bad, Bench, Good, Keeper, Other

MakeBench = Callable[..., Bench]
ALL = (Good, Bad, Keeper, Other)
ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": [math.inf, -math.inf],
    "huge": 10**400,
    "surrogate": "a\ud800b",
    "nul": "\0",
    "word": "bad",
}


class Poisoned(Good):
    """Counts, unless one of its words is on the list: then its `update` fails."""

    name = "poisoned"
    model = counting_model("test_poisoned", "messages by their word", word="the word")
    poison: ClassVar[set[Any]] = set()

    def update(self, session: Any) -> None:
        words = {word for _, word in self.queue.items or self.queue._offer or []}
        super().update(session)
        if found := words & self.poison:
            raise ValueError(f"cannot stand {sorted(found)}")


class Picky(Good):
    """Counts, and raises in `process` what the test says for some words."""

    name = "picky"
    model = counting_model("test_picky", "messages by their word", word="the word")
    trouble: ClassVar[dict[Any, BaseException]] = {}

    def process(self, message: Message) -> None:
        super().process(message)
        error = self.trouble.get(message["msg"]["word"])
        if error is not None:
            raise error


class Stateful(BasePlugin):
    """A plugin as they were written for 0.0.4: it keeps a list and adds in Python."""

    name = summary = description = "stateful"
    model = counting_model("test_stateful", "messages by their word", word="the word")
    poison: ClassVar[set[Any]] = set()
    bad_process: ClassVar[set[Any]] = set()
    makes: ClassVar[int] = 0
    broken_make: ClassVar[BaseException | None] = None

    def __init__(self, *args: Any) -> None:
        if self.broken_make and Stateful.makes:
            raise self.broken_make
        Stateful.makes += 1
        super().__init__(*args)
        self.words: list[str] = []

    def process(self, message: Message) -> None:
        word = message["msg"]["word"]
        self.words.append(word)
        if word in self.bad_process:
            raise KeyError(word)

    def update(self, session: Any) -> None:
        for word in self.words:
            row = session.get(self.model, (MINUTE.epoch, word))
            if row is None:
                row = self.model(timestamp=MINUTE.epoch, word=word, volume=0)
            row.volume += 1
            session.add(row)
            session.flush()
            if word in self.poison:
                raise ValueError(f"cannot stand {word}")
        session.commit()
        self.words = []


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    Bad.trouble = staticmethod(lambda session: None)
    Poisoned.poison, Picky.trouble = set(), {}
    Stateful.poison, Stateful.bad_process = set(), set()
    Stateful.makes, Stateful.broken_make = 0, None


def trouble(do: Callable[[Any], object]) -> None:
    """Have the bad plugin do that at the end of its update."""
    Bad.trouble = staticmethod(do)


def rows(bench: Bench, plugin: str = "%") -> list[Any]:
    """Return the rows of the quarantine."""
    return bench.execute("SELECT * FROM statscache_quarantine WHERE plugin LIKE :p ORDER BY msg_id", p=plugin)


def words(bench: Bench, table: str) -> dict[str, int]:
    """Return what a table has counted under each word."""
    return {row.word: row.volume for row in bench.execute(f"SELECT word, volume FROM {table}")}


def make_due(bench: Bench) -> None:
    """Let the time pass until all is to be tried again."""
    bench.execute("UPDATE statscache_quarantine SET next_attempt = now() WHERE next_attempt IS NOT NULL")


def let_suspensions_end(bench: Bench) -> None:
    """Let the time pass until no plugin is suspended."""
    bench.execute("UPDATE statscache_suspension SET until = least(until, now())")
    bench.daemon.app.suspensions.load()


def suspended(bench: Bench, plugin: str) -> bool:
    """Whether the plugin is suspended."""
    return bench.daemon.app.suspensions.holds(plugin)


def flush_until_it_works(bench: Bench, most: int = 20) -> int:
    """Flush as the timer does, without its pauses; return how many flushes failed."""
    for failed in range(most):
        try:
            bench.flush()
        except Exception:
            continue
        return failed
    raise AssertionError(f"{most} flushes failed")


def test_a_message_that_makes_process_raise_is_set_aside(make_bench: MakeBench) -> None:
    """It counts for the others and stands in the quarantine for that plugin, with all there is to know."""
    Picky.trouble = {"bad": RuntimeError("not\0this \ud800 one")}
    bench = make_bench(Good, Picky, Keeper)
    bench.accept("a", "bad", "b")
    bench.flush()
    assert (words(bench, "test_good"), bench.volume("test_keeper")) == ({"a": 1, "bad": 1, "b": 1}, 3)
    assert words(bench, "test_picky") == {"a": 1, "b": 1}
    [row] = rows(bench)
    assert (row.plugin, row.msg_id, row.topic, row.attempts) == ("picky", "2", "a.b.c.d", 1)
    assert row.error == "RuntimeError: not\\x00this \\ud800 one"
    assert "test_quarantine.py" in row.traceback
    assert "in process" in row.traceback
    assert row.first_failure == row.last_failure
    assert row.next_attempt - row.last_failure == PAUSES[0]


class Unprintable(Exception):
    """An error that raises another when it is asked for its text."""

    def __str__(self) -> str:
        raise ValueError("no text")


def raising(error: BaseException) -> Callable[..., None]:
    """Return what raises that error whenever it is called."""

    def fail(*args: Any) -> None:
        raise error

    return fail


ERRORS = [SystemExit(3), Unprintable(), asyncio.CancelledError(), MemoryError(), StopIteration()]


@pytest.mark.parametrize("method", ["process", "update"])
def test_whatever_a_plugin_raises_is_its_own_trouble(method: str, make_bench: MakeBench) -> None:
    """Whatever kind of error it is and wherever it comes from, the others count and the flush goes on."""
    subjects = [
        type("Subject", (base,), {"name": f"{base.name} {type(error).__name__}", method: raising(error)})
        for base in (Good, Stateful)
        for error in ERRORS
    ]
    bench = make_bench(Other, *subjects, Keeper)
    for word in ("a", "b"):
        bench.accept(word)
        bench.flush()
        bench.flush()
    assert (bench.volume("test_other"), bench.volume("test_keeper")) == (2, 2)
    for subject in subjects:
        assert bench.quarantined(subject.name) == ["1", "2"]
        assert rows(bench, subject.name)[0].error.startswith(f"{subject.name.split()[1]}: ")


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "é" * 1301, None, 7])
def test_a_key_that_cannot_be_stored_needs_no_traceback(word: Any, make_bench: MakeBench) -> None:
    """What is wrong with a key is told in a line, and the traceback would tell nothing."""
    bench = make_bench(Good, Keeper)
    bench.accept("a", word)
    bench.flush()
    [row] = rows(bench)
    assert row.error.startswith("Unstorable: ")
    assert (row.traceback, row.attempts) == ("", 1)
    assert bench.volume("test_keeper") == 2


@pytest.mark.parametrize("bad", [{0}, {99}, {37}, {0, 1, 50, 51, 98}, set(range(0, 100, 7))])
@pytest.mark.parametrize("kind", [Poisoned, Stateful])
def test_an_update_that_fails_is_narrowed_down(bad: set[int], kind: type[Any], make_bench: MakeBench) -> None:
    """Of a batch only the messages are set aside that fail alone; all others count at once."""
    kind.poison = {f"w{number}" for number in bad}
    bench = make_bench(Other, kind)
    bench.accept(*(f"w{number}" for number in range(100)))
    bench.flush()
    assert words(bench, "test_other") == {f"w{number}": 1 for number in range(100)}
    assert words(bench, f"test_{kind.name}") == {
        f"w{number}": 1 for number in range(100) if number not in bad
    }
    found = rows(bench, kind.name)
    assert {row.msg_id for row in found} == {str(number + 1) for number in bad}
    assert all(row.error.startswith("ValueError: cannot stand") for row in found)
    assert all("in update" in row.traceback and row.attempts == 1 for row in found)
    assert not suspended(bench, kind.name)
    kind.poison = set()
    make_due(bench)
    bench.keep_up()
    assert words(bench, f"test_{kind.name}") == {f"w{number}": 1 for number in range(100)}
    assert (rows(bench), bench.execute("SELECT * FROM statscache_quarantine_body")) == ([], [])


def test_a_body_is_stored_once_and_exactly(make_bench: MakeBench) -> None:
    """Two plugins that set the same message aside share its body, which survives what PostgreSQL refuses."""
    Picky.trouble, Poisoned.poison = {"bad": RuntimeError()}, {"bad"}
    bench = make_bench(Picky, Poisoned, Keeper)
    body = {"topic": "a.b\0\ud800", "msg": ODD, "timestamp": 30.25, "msg_id": 'odd "id" {\\}, é', "x": [None]}
    bench.intake.accept(body)
    bench.flush()
    [(msg_id, stored)] = bench.execute("SELECT msg_id, body FROM statscache_quarantine_body")
    assert msg_id == body["msg_id"]
    assert repr(json.loads(stored)) == repr(body)
    assert [(row.plugin, row.topic) for row in rows(bench)] == [
        ("picky", "a.b\\x00\\ud800"),
        ("poisoned", "a.b\\x00\\ud800"),
    ]
    Picky.trouble = {}
    assert bench.retry("picky") == 1
    assert len(bench.execute("SELECT * FROM statscache_quarantine_body")) == 1
    Poisoned.poison = set()
    assert bench.retry("poisoned") == 1
    assert bench.execute("SELECT * FROM statscache_quarantine_body") == []
    assert [bench.volume(f"test_{n}") for n in ("picky", "poisoned", "keeper")] == [1, 1, 1]


def test_the_message_that_is_retried_is_the_one_that_came(make_bench: MakeBench) -> None:
    """A plugin gets at the retry what it got the first time, to the last bit."""
    seen: list[Any] = []

    class Looker(Picky):
        name = "looker"

        def process(self, message: Message) -> None:
            seen.append(json.loads(json.dumps(message)))
            super().process(message)

    Picky.trouble = {"bad": RuntimeError()}
    bench = make_bench(Looker)
    bench.intake.accept({"topic": "a", "msg": ODD, "timestamp": 30.25, "msg_id": "x"})
    bench.flush()
    assert bench.retry("looker") == 0
    assert len(seen) == 2
    assert repr(seen[0]) == repr(seen[1])


@pytest.mark.parametrize("kind", [Poisoned, Stateful])
def test_too_many_that_fail_alone_suspend_the_plugin(kind: type[Any], make_bench: MakeBench) -> None:
    """Past the first twenty the rest is put off, not tried; all count once when the plugin works again."""
    kind.poison = {f"w{number}" for number in range(60)}
    bench = make_bench(Other, kind)
    bench.accept(*(f"w{number}" for number in range(60)))
    bench.flush()
    found = rows(bench)
    tried = sum(row.attempts for row in found)
    assert MOST <= tried < MOST + 8
    assert len(found) == 60
    assert sum(row.error.startswith("put off") for row in found) == 60 - tried
    assert suspended(bench, kind.name)
    bench.accept("later")
    bench.flush()
    assert words(bench, f"test_{kind.name}") == {}
    assert len(words(bench, "test_other")) == 61
    kind.poison = set()
    make_due(bench)
    bench.keep_up()
    assert len(rows(bench)) == 61, "a plugin that is suspended is left alone"
    let_suspensions_end(bench)
    bench.accept("live again")
    bench.flush()
    make_due(bench)
    bench.keep_up()
    assert words(bench, f"test_{kind.name}") == words(bench, "test_other")
    assert rows(bench) == []
    [(until, since)] = bench.execute("SELECT until, since FROM statscache_suspension")
    assert until == since


@pytest.mark.parametrize("kind", [Good, Stateful])
def test_a_plugin_that_always_fails_is_suspended(kind: type[Any], make_bench: MakeBench) -> None:
    """One that gets nothing done in five flushes in a row is left alone, and none of its messages is lost."""
    Subject = type("Subject", (kind,), {"name": "subject", "update": lambda self, session: 1 // 0})
    bench = make_bench(Other, Subject)
    for number in range(7):
        assert suspended(bench, "subject") is (number >= 5)
        bench.accept(f"w{number}")
        bench.flush()
    assert [row.attempts for row in rows(bench)] == [1] * 5 + [0] * 2
    assert bench.volume("test_other") == 7


def test_a_plugin_that_refuses_a_flood_is_suspended_at_once(make_bench: MakeBench) -> None:
    """One whose `process` raises for all of many messages is not asked again for a while."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Good, Picky)
    bench.accept(*["bad"] * (MOST + 1))
    bench.flush()
    assert suspended(bench, "picky")
    assert words(bench, "test_good") == {"bad": MOST + 1}
    assert len(rows(bench)) == MOST + 1


def test_a_plugin_that_refuses_some_of_a_flood_goes_on(make_bench: MakeBench) -> None:
    """As long as some of its messages count, no number of refused ones suspends a plugin."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Good, Picky)
    for _ in range(6):
        bench.accept(*["bad"] * 30, "good")
        bench.flush()
    assert not suspended(bench, "picky")
    assert words(bench, "test_picky") == {"good": 6}
    assert len(rows(bench)) == 180


def test_retries_grow_apart_and_end(make_bench: MakeBench) -> None:
    """After each failure the pause is longer; after the last it is tried only by hand."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept("bad", "good")
    bench.flush()
    [first] = rows(bench)
    pauses = [first.next_attempt - first.last_failure]
    for attempts in range(2, len(PAUSES) + 2):
        bench.keep_up()
        assert rows(bench)[0].attempts == attempts - 1, "not before its time"
        make_due(bench)
        bench.keep_up()
        [row] = rows(bench)
        assert (row.attempts, row.first_failure) == (attempts, first.first_failure)
        assert row.last_failure > first.last_failure
        pauses.append(row.next_attempt and row.next_attempt - row.last_failure)
    assert pauses == [*PAUSES, None]
    assert list(PAUSES) == sorted(PAUSES)
    make_due(bench)
    bench.keep_up()
    assert rows(bench)[0].attempts == len(PAUSES) + 1
    assert bench.retry("picky") == 0
    Picky.trouble = {}
    assert bench.retry("picky") == 1
    assert (rows(bench), words(bench, "test_picky")) == ([], {"bad": 1, "good": 1})


@pytest.mark.parametrize("kind", [Poisoned, Stateful])
def test_a_retry_that_dies_counts_nothing_and_loses_nothing(
    kind: type[Any], make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking a message out of the quarantine and counting it are one transaction."""
    kind.poison = {"bad"}
    bench = make_bench(kind, Other)
    bench.accept("bad", "good")
    bench.flush()
    before = rows(bench)

    kind.poison = set()
    runner = bench.daemon.writer._runners[kind.name]
    update = runner.update

    def die(session: Any, taken: Any) -> None:
        update(session, taken)
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with monkeypatch.context() as patch:
        patch.setattr(runner, "update", die)
        with pytest.raises(OperationalError):
            bench.retry(kind.name)
    assert rows(bench) == before
    assert words(bench, f"test_{kind.name}") == {"good": 1}
    assert bench.retry(kind.name) == 1
    assert words(bench, f"test_{kind.name}") == {"bad": 1, "good": 1}
    bench.accept("good")
    bench.flush()
    assert words(bench, f"test_{kind.name}") == {"bad": 1, "good": 2}


def test_a_redelivery_of_what_is_in_the_quarantine_changes_nothing(make_bench: MakeBench) -> None:
    """The quarantine answers for the message; when it comes again it counts neither here nor there."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Good, Picky)
    for _ in range(3):
        bench.send("same", "bad")
        bench.flush()
    assert [row.attempts for row in rows(bench)] == [1]
    Picky.trouble = {}
    bench.send("same", "bad")
    bench.flush()
    assert bench.retry("picky") == 1
    bench.send("same", "bad")
    bench.flush()
    assert words(bench, "test_picky") == words(bench, "test_good") == {"bad": 1}


def test_the_parts_of_an_umbrella_are_set_aside_each_by_itself(daemon: Daemon) -> None:
    """A message that one part of releng cannot keep is in the quarantine for that part, by its own name."""
    topic = "org.fedoraproject.prod.compose.branched.complete"
    for msg_id, arch in (("bad", "a\0"), ("good", "arm")):
        daemon.intake.accept({"topic": topic, "msg": {"arch": arch}, "timestamp": 30, "msg_id": msg_id})
    daemon.flusher.flush()
    with daemon.engine.connect() as connection:
        found = connection.execute(text("SELECT plugin, msg_id FROM statscache_quarantine")).all()
        volume = connection.scalar(text("SELECT sum(volume) FROM data_volume_1m"))
        kept = connection.execute(text("SELECT category FROM data_releng_dashboard")).all()
    assert found == [("release-engineering-event-logs/compose", "bad")]
    assert (volume, kept) == (2, [("compose-branched_arm",)])


def test_a_stateful_plugin_that_is_refused_a_message_gets_the_others_anew(make_bench: MakeBench) -> None:
    """What its `process` has left half done is gone with the old instance, and no other message is lost or doubled."""
    Stateful.bad_process = {"bad"}
    bench = make_bench(Stateful)
    bench.accept("a", "bad", "b", "bad", "a")
    bench.flush()
    assert words(bench, "test_stateful") == {"a": 2, "b": 1}
    assert bench.quarantined("stateful") == ["2", "4"]
    bench.accept("a")
    bench.flush()
    assert words(bench, "test_stateful") == {"a": 3, "b": 1}


def test_a_plugin_that_cannot_be_made_anew_is_suspended(make_bench: MakeBench) -> None:
    """If after a failure its constructor raises, the others go on, and it counts when it can be made again."""
    Stateful.poison = {"bad"}
    bench = make_bench(Stateful, Other)
    Stateful.broken_make = OSError("no such device")
    for word in ("bad", "a", "b", "c", "d", "e"):
        bench.accept(word)
        bench.flush()
    assert bench.volume("test_other") == 6
    assert suspended(bench, "stateful")
    assert "no such device" in rows(bench)[-2].error
    Stateful.poison, Stateful.broken_make = set(), None
    assert bench.retry("stateful") == 6
    assert words(bench, "test_stateful") == dict.fromkeys(["bad", "a", "b", "c", "d", "e"], 1)


def sleep_in_sql(seconds: float) -> Callable[[Any], object]:
    """Return what waits in a statement."""
    return lambda session: session.execute(text(f"SELECT pg_sleep({seconds})"))


def set_and_sleep(setting: str) -> Callable[[Any], object]:
    """Return what waits in a statement longer than it may."""

    def do(session: Any) -> None:
        session.execute(text(f"SET LOCAL {setting} = '20ms'"))
        session.execute(text("SELECT pg_sleep(5)"))

    return do


ENDINGS: dict[str, Callable[[Any], object]] = {
    "commits the transaction": lambda session: session.connection().commit(),
    "rolls back the transaction": lambda session: session.connection().rollback(),
    "invalidates the connection": lambda session: session.connection().invalidate(),
    "closes the connection": lambda session: session.connection().close(),
    "runs COMMIT": lambda session: session.execute(text("COMMIT")),
    "gets internal errors": lambda session: session.execute(
        text("DO $$ BEGIN RAISE SQLSTATE 'XX002' USING MESSAGE = 'index is damaged'; END $$")
    ),
    "asks in the wrong state": lambda session: session.execute(
        text("DO $$ BEGIN RAISE object_not_in_prerequisite_state; END $$")
    ),
    "runs into its time-out": set_and_sleep("statement_timeout"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_plugin_that_always_ends_the_transaction_is_suspended(name: str, make_bench: MakeBench) -> None:
    """The daemon is not stuck for ever: after five flushes at most it goes on without that plugin."""
    trouble(ENDINGS[name])
    bench = make_bench(*ALL)
    bench.accept("a", "b")
    failed = flush_until_it_works(bench)
    assert failed in (0, 5)
    assert suspended(bench, "bad") is (failed == 5)
    assert len(bench.quarantined("bad")) == 2
    assert bench.volumes() == [2, 2, 2, 0]
    bench.accept("c")
    bench.flush()
    assert bench.volumes() == [3, 3, 3, 0]
    trouble(lambda session: None)
    bench.retry("bad")
    assert bench.volumes() == [3, 3, 3, 3]


@pytest.mark.parametrize("name", ENDINGS)
def test_a_retry_that_always_ends_the_transaction_is_suspended(name: str, make_bench: MakeBench) -> None:
    """Also what is in the quarantine cannot make upkeep fail for ever."""
    trouble(lambda session: 1 // 0)
    bench = make_bench(*ALL)
    bench.accept("a")
    bench.flush()
    trouble(ENDINGS[name])
    for _ in range(6):
        make_due(bench)
        bench.daemon.flusher._next_upkeep = 0
        bench.daemon.flusher._keep_up()
        bench.daemon.flusher._spare_pause.end()
        bench.daemon.flusher.use_spare_time()
    assert suspended(bench, "bad") or rows(bench)[0].attempts > 1
    trouble(lambda session: None)
    bench.accept("b")
    bench.flush()
    assert bench.volumes()[:3] == [2, 2, 2]
    bench.retry("bad")
    assert bench.volumes() == [2, 2, 2, 2]


def test_a_time_out_is_not_held_against_a_plugin_at_once(make_bench: MakeBench) -> None:
    """A few in a row, with successes between them, are the database's trouble: all is tried again and counts."""
    bench = make_bench(*ALL)
    for _ in range(2):
        trouble(set_and_sleep("statement_timeout"))
        bench.accept("a")
        for _ in range(4):
            with pytest.raises(OperationalError, match="statement timeout"):
                bench.flush()
        trouble(lambda session: None)
        bench.flush()
    assert bench.volumes() == [2] * 4
    assert rows(bench) == []
    assert bench.execute("SELECT * FROM statscache_suspension") == []


def test_a_lock_that_others_hold_is_never_held_against_a_plugin(make_bench: MakeBench) -> None:
    """However often its table is locked, a plugin is not suspended, and all counts when the lock is gone."""
    bench = make_bench(*ALL)
    trouble(
        lambda session: session.execute(text("SET LOCAL lock_timeout = '20ms'; LOCK TABLE statscache_gap"))
    )
    with bench.engine.connect() as other:
        other.execute(text("LOCK TABLE statscache_gap IN ACCESS EXCLUSIVE MODE"))
        bench.accept("a")
        for _ in range(12):
            with pytest.raises(OperationalError, match="lock timeout"):
                bench.flush()
    bench.flush()
    assert bench.volumes() == [1] * 4
    assert (rows(bench), bench.execute("SELECT * FROM statscache_suspension")) == ([], [])


def test_a_full_disk_is_never_held_against_a_plugin(make_bench: MakeBench) -> None:
    """However often the server has no room, no plugin is suspended, and all counts when it has."""
    bench = make_bench(*ALL)
    full = "DO $$ BEGIN RAISE disk_full USING MESSAGE = 'no room'; END $$"
    trouble(lambda session: session.execute(text(full)))
    bench.accept("a")
    for _ in range(12):
        with pytest.raises(OperationalError, match="no room"):
            bench.flush()
    trouble(lambda session: None)
    bench.flush()
    assert bench.volumes() == [1] * 4
    assert bench.execute("SELECT * FROM statscache_suspension") == []


def test_a_plugin_over_its_budget_is_warned_about_and_then_suspended(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Twice in a row costs a line of log each, the third time suspends it; a quick flush starts anew."""
    bench = make_bench(*ALL, plugin_budget=0.05)
    for slow in (True, True, False, True, True, True):
        assert not suspended(bench, "bad")
        trouble((lambda session: time.sleep(0.06)) if slow else (lambda session: None))
        bench.accept("a")
        bench.flush()
    assert suspended(bench, "bad")
    assert sum("and its budget is" in record.getMessage() for record in caplog.records) == 6
    assert bench.volumes() == [6] * 4
    assert rows(bench) == []


def test_a_slow_process_is_over_budget_too(make_bench: MakeBench) -> None:
    """Also what a plugin takes for many messages at the intake counts."""

    class Slow(Good):
        name = "slow"

        def process(self, message: Message) -> None:
            time.sleep(0.001)
            super().process(message)

    bench = make_bench(Slow, Other, plugin_budget=0.1)
    for _ in range(3):
        bench.accept(*["x"] * 200)
        bench.flush()
    assert suspended(bench, "slow")
    assert bench.volume("test_other") == 600


def test_waiting_for_the_database_is_not_on_the_budget(make_bench: MakeBench) -> None:
    """Statements may take as long as they take, also those that fail."""

    def wait(session: Any) -> None:
        sleep_in_sql(0.2)(session)
        try:
            session.execute(text("SELECT 1 / (pg_sleep(0.2) = '')::text::int"))
        except Exception:
            session.rollback()

    bench = make_bench(*ALL, plugin_budget=0.15)
    trouble(wait)
    for _ in range(4):
        bench.accept("a")
        bench.flush()
    assert not suspended(bench, "bad")
    assert "budget" not in str(bench.execute("SELECT reason FROM statscache_suspension"))


def test_a_retry_that_always_ends_the_transaction_is_suspended_though_flushes_work(
    make_bench: MakeBench,
) -> None:
    """Messages that make a statement run into its time-out cannot keep flushes waiting for ever."""
    trouble(lambda session: 1 // 0)
    bench = make_bench(*ALL)
    bench.accept("poison")
    bench.flush()
    for number in range(5):
        trouble(lambda session: None)
        bench.accept(f"good {number}")
        bench.flush()
        trouble(ENDINGS["runs into its time-out"])
        make_due(bench)
        bench.daemon.upkeep.keep_up()
        bench.daemon.flusher._spare_pause.end()
        bench.daemon.flusher.use_spare_time()
    assert suspended(bench, "bad")
    trouble(lambda session: None)
    assert bench.retry("bad") == 1
    assert bench.volumes() == [6, 6, 6, 6]


def test_many_due_messages_are_retried_in_portions(make_bench: MakeBench) -> None:
    """A quarantine of thousands empties by itself, a bounded number at a time."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept(*["bad"] * 3000, "good")
    bench.flush()
    assert bench.execute("SELECT count(*) FROM statscache_quarantine") == [(3000,)]
    Picky.trouble = {}
    let_suspensions_end(bench)
    make_due(bench)
    for _ in range(5):
        bench.keep_up()
    assert words(bench, "test_picky") == {"bad": 3000, "good": 1}
    assert rows(bench) == []


def test_only_so_many_tracebacks_are_kept(make_bench: MakeBench) -> None:
    """A flood of refused messages keeps its errors, but not twenty kilobytes for each."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept(*["bad"] * 300, "good")
    bench.flush()
    found = rows(bench)
    assert 0 < sum(bool(row.traceback) for row in found) <= 100
    assert all(row.error == "RuntimeError: no" for row in found)


def test_texts_of_any_length_fit_the_quarantine(make_bench: MakeBench) -> None:
    """A huge topic or error is cut short; the body is kept whole."""
    Picky.trouble = {"bad": RuntimeError("x" * 1_000_000)}
    bench = make_bench(Picky)
    topic = "a." * 500_000
    bench.intake.accept({"topic": topic, "msg": {"word": "bad"}, "timestamp": 30, "msg_id": "x"})
    bench.flush()
    [row] = rows(bench)
    assert (len(row.topic), len(row.error), len(row.traceback)) == (1000, 2000, 20000)
    assert json.loads(bench.execute("SELECT body FROM statscache_quarantine_body")[0][0])["topic"] == topic
    assert timedelta(0) < row.next_attempt - row.last_failure
