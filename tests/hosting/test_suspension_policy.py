"""Which plugin is left alone: one that goes on failing or takes too long, but none for the database's trouble."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from statscache.hosting.suspension_policy import MOST
from statscache.plugins import Message
from tests.support.bench import Bad, Bench, Good, Keeper, Other
from tests.support.refusing import (
    Picky,
    Poisoned,
    Stateful,
    forget_troubles,
    let_suspensions_end,
    make_due,
    rows,
    suspended,
    trouble,
    words,
)

MakeBench = Callable[..., Bench]
ALL = (Good, Bad, Keeper, Other)


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    forget_troubles()


def flush_until_it_works(bench: Bench, most: int = 20) -> int:
    """Flush as the timer does, without its pauses; return how many flushes failed."""
    for failed in range(most):
        try:
            bench.flush()
        except Exception:
            continue
        return failed
    raise AssertionError(f"{most} flushes failed")


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


@pytest.mark.slow
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
    assert sum("more than its budget of" in record.getMessage() for record in caplog.records) == 6
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
