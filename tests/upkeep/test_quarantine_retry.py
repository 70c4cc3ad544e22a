"""What is due in the quarantine is tried again, some at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon
from tests.support.bench import Bench
from tests.support.refusing import Picky, forget_troubles, let_suspensions_end, make_due, rows, words

MakeBench = Callable[..., Bench]


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    forget_troubles()


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


def test_what_was_put_off_by_a_clock_that_was_ahead_is_tried_again(make_bench: MakeBench) -> None:
    """A next attempt that lies further ahead than any pause is long would else wait until the clock is there."""
    Picky.trouble = {"bad": RuntimeError("no")}
    bench = make_bench(Picky)
    bench.accept("bad")
    bench.flush()
    Picky.trouble = {}
    for ahead, counts in (("1 hour", {}), ("400 days", {"bad": 1})):
        bench.execute(f"UPDATE statscache_quarantine SET next_attempt = now() + interval '{ahead}'")
        bench.keep_up()
        assert words(bench, "test_picky") == counts


@pytest.mark.slow
def test_a_retry_of_large_messages_takes_some_at_a_time(daemon: Daemon, engine: Engine) -> None:
    """So many bytes at most are read at once, and what is left is due all the same."""
    topic = "io.pagure.prod.pagure.issue.new"
    for number in range(12):
        msg = {"agent": "a\0b", "text": "x" * (4 << 20)}
        body = {"topic": topic, "msg": msg, "msg_id": f"2023-{number}", "timestamp": 1}
        assert daemon.intake.accept(body)
    daemon.flusher.flush()
    with engine.begin() as connection:
        connection.execute(text("UPDATE statscache_quarantine SET next_attempt = now()"))
    daemon.upkeep.keep_up()
    for _ in daemon.writer.plugins:
        daemon.upkeep.use_spare_time()
    with engine.connect() as connection:
        tried = "SELECT count(*) FROM statscache_quarantine WHERE plugin LIKE '%by-user-1d' AND attempts = 2"
        assert 0 < (connection.scalar(text(tried)) or 0) < 12
