"""Who listens to `statscache_coverage` hears of which tables another time may be complete."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from statscache.counting.notifications import Changes, tell_of_coverage
from statscache.database.lock import APART
from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.files.replay import replay
from statscache.history.recount.rebuild import rebuild
from statscache.history.slice_counter import SliceCounter
from statscache.messages.message import Message
from statscache.span import Span
from statscache.spool.segment import NotSpooled
from tests.support.bench import Bad, Bench, Good, Other, fail
from tests.support.listener import Listener
from tests.support.recounting import HOURS, START, body, count_all
from tests.support.sql import run
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
BOTH = {"tables": ["test_good", "test_other"]}
GOOD = {"tables": ["test_good"]}


@pytest.fixture
def listener(database: str) -> Iterator[Listener]:
    """Somebody who listens."""
    listener = Listener(database, "statscache_coverage")
    yield listener
    listener.close()


def test_a_flush_names_the_tables_of_all_plugins_once(make_bench: Make, listener: Listener) -> None:
    """Each of them is complete up to another time now, whichever has counted."""
    bench = make_bench(Good, Other)
    listener.payloads()
    bench.intake.accept(body(0))
    bench.intake.accept(body(7))
    bench.flush()
    assert listener.payloads() == ['{"tables": ["test_good", "test_other"]}']


def test_time_without_messages_is_told(make_bench: Make, listener: Listener) -> None:
    """On a quiet bus only coverage changes, and so only this is told."""
    bench, rows = make_bench(Good), Listener(listener.connection.dsn)
    bench.daemon.commits.commit_nothing()
    assert listener.heard() == [GOOD]
    assert rows.heard() == []
    rows.close()


def test_what_does_not_commit_is_not_told(make_bench: Make, listener: Listener) -> None:
    """A flush that fails tells nothing, and the next one that succeeds does."""
    bench = make_bench(Good)
    bench.accept("x")
    bench.execute("ALTER TABLE statscache_spool RENAME TO away")
    with pytest.raises(Exception, match="statscache_spool"):
        bench.flush()
    assert listener.heard() == []
    bench.execute("ALTER TABLE away RENAME TO statscache_spool")
    bench.flush()
    assert listener.heard() == [GOOD]


def test_a_gap_is_told(make_bench: Make, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the flush that records what was lost."""

    def full(record: bytes) -> int:
        raise NotSpooled("as the test says")

    bench = make_bench(Good)
    with monkeypatch.context() as patch:
        patch.setattr(bench.daemon.spool, "append", full)
        assert not bench.intake.accept(body(0))
    bench.intake.accept(body(1))
    bench.flush()
    assert bench.execute("SELECT messages FROM statscache_gap") == [(1,)]
    assert listener.heard() == [GOOD]


def test_a_retry_and_a_drop_are_told(make_bench: Make, listener: Listener) -> None:
    """What leaves the quarantine no longer keeps its second from being complete."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.flush()
    listener.heard()
    bench.retry("bad")
    assert listener.heard() == [{"tables": ["test_bad"]}]
    with bench.engine.begin() as connection:
        tell_of_coverage(connection, {"bad", "good", "unknown"})
    assert listener.heard() == [{"tables": ["test_bad", "test_good"]}]


def test_history_is_told(make_bench: Make, listener: Listener, tmp_path: Path) -> None:
    """A slice of an archive, loose messages of files, and the time that files have in full."""
    bench = make_bench(Good, Other)
    counter = SliceCounter(bench.app)
    counter.count(Slice(Span(START, START + 600), []), frozenset(["good"]))
    assert listener.heard() == [GOOD]
    counter.count_loose([Message(body(100), bench.app.naming)])
    assert listener.heard() == [BOTH]
    file = tmp_path / "messages.json"
    file.write_text(json.dumps(body(200)) + "\n")
    replay(bench.app, [file], print, lambda size, count: None, Span(START + 600, START + 6_000))
    assert listener.heard() == [BOTH, BOTH]


def test_a_rebuild_is_told_once_and_not_what_it_counts_beside(
    make_bench: Make, listener: Listener, two_hours: Archive
) -> None:
    """It makes complete what was not, also where no row differs."""
    bench = make_bench(Good, Other)
    count_all(bench)
    listener.heard()
    rebuild(bench.app, Datagrepper(two_hours.url), ["good"], HOURS, lambda sentence: None)
    assert listener.heard() == [GOOD]


@pytest.mark.parametrize("statement", ["DELETE FROM test_good", "TRUNCATE test_good"])
def test_what_is_removed_by_hand_is_told(statement: str, make_bench: Make, listener: Listener) -> None:
    """It is not complete any more, and the transaction that removes it says so."""
    bench = make_bench(Good)
    bench.intake.accept(body(0))
    bench.flush()
    listener.heard()
    engine = create_engine(bench.engine.url)
    run(engine, statement)
    assert listener.heard() == [GOOD]
    run(engine, "DELETE FROM test_good")
    assert listener.heard() == []
    engine.dispose()


def test_what_no_trigger_sees_is_told_once_it_is_noticed(make_bench: Make, listener: Listener) -> None:
    """The upkeep finds that a table is another one than it was."""
    bench = make_bench(Good)
    bench.intake.accept(body(0))
    bench.flush()
    bench.execute("ALTER TABLE test_good RENAME TO old; CREATE TABLE test_good (LIKE old INCLUDING ALL)")
    listener.heard()
    bench.daemon.upkeep.keep_up()
    assert GOOD in listener.heard()


def test_too_many_tables_are_any_tables(make_bench: Make, listener: Listener) -> None:
    """A payload is never as long as PostgreSQL refuses: it names no table then."""
    engine = make_bench(Good).engine
    for number in (120, 127, 128, 10_000):
        changes = Changes()
        changes.cover(f"{'t' * 50}{each:05}" for each in range(number))
        with engine.begin() as connection:
            changes.tell(connection)
            changes.tell(connection.execution_options(**{APART: True}))
        (told,) = listener.payloads()
        assert len(told) < 8000
        names = json.loads(told)["tables"]
        assert (names is None) if number > 130 else (names is None or len(names) == number)


def test_a_queue_that_fills_up_is_spared(
    make_bench: Make, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the share of the queue that is left to others nobody is told."""
    monkeypatch.setattr("statscache.counting.notifications.FULL", 0.0)
    bench = make_bench(Good)
    bench.accept("x")
    bench.flush()
    assert bench.volume("test_good") == 1
    assert listener.heard() == []
