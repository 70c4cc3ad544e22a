"""What waits to be written: in bounded batches, read back after a failure, and however often things fail, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from statscache.intake import backlog as backlog_module
from statscache.intake.accept import Intake
from statscache.spool.record import encode
from statscache.spool.segment import NotSpooled
from tests.support.bench import Bad, Bench, Good, Keeper, Other, spools
from tests.support.hub import wait_for

MakeBench = Callable[..., Bench]
ALL = (Good, Bad, Keeper, Other)


def break_transaction(session: Any) -> None:
    """Fail as a database does that shuts down."""
    session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def failed_flush(bench: Bench) -> None:
    """Flush, and have the transaction fail."""
    Bad.trouble = staticmethod(break_transaction)
    with pytest.raises(Exception, match=r"terminat|closed"):
        bench.flush()
    Bad.trouble = staticmethod(lambda session: None)


def written_sizes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Flush, and return how many messages each batch has."""
    sizes: list[int] = []
    write = bench.daemon.writer.write
    with monkeypatch.context() as patch:
        patch.setattr(
            bench.daemon.writer,
            "write",
            lambda batch, *rest: (sizes.append(len(batch.refs)), write(batch, *rest)),
        )
        bench.flush()
    return sizes


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugin that can fail does not, until a test says so."""
    Bad.trouble = staticmethod(lambda session: None)


def test_messages_for_plugins_that_are_not_here_wait_in_the_quarantine(make_bench: MakeBench) -> None:
    """What was accepted for a plugin that this daemon has not got counts once in a daemon that has it."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    fewer = make_bench(Good, Keeper)
    fewer.flush()
    assert fewer.volumes() == [3, 3, 0, 0]
    rows = fewer.execute("SELECT plugin, attempts, error FROM statscache_quarantine")
    assert sorted(row[:2] for row in rows) == [("bad", 0)] * 3 + [("other", 0)] * 3
    assert "has no such plugin" in rows[0][2]
    fewer.keep_up()
    assert len(fewer.quarantined("bad")) == 3
    assert fewer.daemon.finish(5)
    full = make_bench(*ALL)
    full.keep_up()
    assert full.volumes() == [3] * 4
    assert full.execute("SELECT * FROM statscache_quarantine_body") == []


@pytest.mark.slow
def test_many_messages_for_plugins_that_are_not_here_count_soon_in_a_daemon_that_has_them(
    make_bench: MakeBench,
) -> None:
    """They are due at once, and use all the time that flushes leave."""
    dead = make_bench(*ALL)
    dead.accept(*map(str, range(10_000)))
    dead.die()
    fewer = make_bench(Good, Keeper)
    fewer.flush()
    assert len(fewer.quarantined("other")) == 10_000
    assert fewer.daemon.finish(5)
    full = make_bench(*ALL)
    full.daemon.flusher.start()
    wait_for("all to be counted", lambda: full.volumes() == [10_000] * 4, 20)
    assert full.daemon.finish(5)


def test_after_a_failed_flush_all_is_read_back_in_bounded_batches(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No batch is larger than its bounds in messages and bytes, and afterwards messages are handed over live again."""
    monkeypatch.setattr(backlog_module, "MANY", 5)
    monkeypatch.setattr(backlog_module, "BYTES", 2000)
    bench = make_bench(*ALL)
    bench.accept(*"x" * 12)
    failed_flush(bench)
    bench.accept(*"x" * 8, *["y" * 700] * 8)
    assert written_sizes(bench, monkeypatch) == [5, 5, 5, 5, 3, 3, 2]
    assert bench.volumes() == [28] * 4
    bench.send("live")
    batch = bench.daemon.backlog.next()
    assert batch is not None
    assert (list(batch.refs), batch.taken["good"].items) == (["live"], [(30, "x")])


def test_a_batch_that_fails_is_tried_in_smaller_ones_which_grow_again(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that took too long would do so again and again."""
    monkeypatch.setattr(backlog_module, "FEW", 4)
    bench = make_bench(*ALL)
    bench.accept(*"x" * 60)
    failed_flush(bench)
    failed_flush(bench)
    assert written_sizes(bench, monkeypatch) == [15, 18, 22, 5]
    bench.accept(*"x" * 10)
    for _ in range(3):
        failed_flush(bench)
    assert written_sizes(bench, monkeypatch) == [4, 5, 1]
    assert bench.volumes() == [70] * 4


def test_what_a_failed_reading_left_is_not_counted_twice(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk fails while messages are read back, they count once when it works again."""
    bench = make_bench(*ALL)
    bench.accept(*"abcdef")
    failed_flush(bench)
    scan = bench.daemon.spool.scan

    def scan_half(start: int, end: int) -> Iterator[Any]:
        yield from itertools.islice(scan(start, end), 3)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(bench.daemon.spool, "scan", scan_half)
        with pytest.raises(OSError, match="Input/output"):
            bench.flush()
    bench.flush()
    assert bench.volumes() == [6] * 4


def test_a_spooled_message_that_is_none_is_left_out(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """What another version accepted and this one does not costs nothing but itself, and the log tells of it."""
    dead = make_bench(*ALL)
    dead.accept("a")
    dead.daemon.spool.append(encode({"topic": "odd", "timestamp": "yesterday"}))
    dead.accept("b")
    dead.die()
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [2] * 4
    assert "yesterday" in caplog.text


def test_a_damaged_record_that_plugins_have_taken_costs_one_flush(make_bench: MakeBench) -> None:
    """Where a message cannot be read back any more, the flush does without it and all others count."""
    bench = make_bench(*ALL)
    bench.accept(*"abc")
    [path] = bench.daemon.spools.glob("*/*.spool")
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    for _ in range(3):
        bench.daemon.flusher._pause.end()
        bench.daemon.flusher.tick()
    assert bench.volumes() == [2, 2, 2, 2]
    bench.accept("d")
    bench.flush()
    assert bench.volumes() == [3] * 4


def test_past_the_memory_limit_nothing_more_is_held(make_bench: MakeBench) -> None:
    """However long the database is away, plugins hold no more than the limit; all of it counts afterwards."""
    bench = make_bench(*ALL, memory_limit=10_000)
    for _ in range(3):
        bench.accept(*["x"] * 500)
        assert _held(bench.intake) < 150
        failed_flush(bench)
        assert _held(bench.intake) == 0
    bench.flush()
    assert bench.volumes() == [1500] * 4


def _held(intake: Intake) -> int:
    return len(intake._batch.refs) if intake._batch else 0


def test_the_memory_limit_counts_what_is_not_committed(make_bench: MakeBench) -> None:
    """While flushes keep up, messages are handed over as they come, however many there are in all."""
    bench = make_bench(*ALL, memory_limit=10_000)
    for _ in range(10):
        bench.accept(*["x"] * 50)
        assert _held(bench.intake) == 50
        bench.flush()
    assert bench.volumes() == [500] * 4


def test_what_finds_no_room_is_recorded_as_a_gap(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Past the spool's limit the loss is logged, counted and in `statscache_gap`, and later messages count again."""
    bench = make_bench(*ALL, spool_limit=5_000)
    bench.accept(*["x"] * 200)
    lost = bench.intake.lost.total()
    assert bench.intake.accepted == 200 - lost
    assert lost > 100
    assert "lost a message, the spool has reached its limit of 5000 bytes" in caplog.text
    bench.flush()
    assert bench.volumes() == [200 - lost] * 4
    [row] = bench.execute(
        "SELECT messages, extract(epoch FROM first), extract(epoch FROM last) FROM statscache_gap"
    )
    assert row == (lost, 30, 30)
    bench.accept("y")
    bench.flush()
    assert bench.volumes() == [201 - lost] * 4
    assert len(bench.execute("SELECT * FROM statscache_gap")) == 1
    with monkeypatch.context() as patch:
        patch.setattr(bench.daemon.spool, "append", _full)
        bench.accept("z")
    bench.flush()
    assert bench.execute("SELECT sum(messages) FROM statscache_gap") == [(lost + 1,)]


def _full(record: bytes) -> int:
    raise NotSpooled("full")


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 30), min_size=1, max_size=8)),
        st.sampled_from([("flush", ()), ("fail", ()), ("die", ()), ("stop", ()), ("keep_up", ())]),
    ),
    min_size=3,
    max_size=12,
)


@pytest.mark.slow
@given(steps)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_each_message_counts_once(
    make_bench: MakeBench, contents: list[tuple[str, Any]]
) -> None:
    """After any order of messages, repeated ones, flushes, failed ones, deaths and stops every plugin has each once."""
    bench = make_bench(*ALL, memory_limit=600)
    bench.flush()
    bench.execute("TRUNCATE statscache_ledger, test_good, test_bad, test_keeper, test_other")
    sent = set()
    for step, ids in contents:
        if step == "send":
            sent |= set(ids)
            for number in ids:
                bench.send(f"{number}")
        elif step == "fail" and sent:
            Bad.trouble = staticmethod(break_transaction)
            bench.daemon.flusher.tick()
            Bad.trouble = staticmethod(lambda session: None)
        elif step == "keep_up":
            bench.keep_up()
        elif step == "flush":
            bench.flush()
        else:
            bench.die() if step == "die" else bench.daemon.finish(5)
            bench = make_bench(*ALL, memory_limit=600)
    bench.flush()
    assert bench.volumes() == [len(sent)] * 4
    assert bench.daemon.finish(5)
    assert spools(bench) == []
