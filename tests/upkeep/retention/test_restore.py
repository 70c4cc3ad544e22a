"""What was dropped is to be kept again, whatever ends that, and whatever the database has lost meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from statscache.errors import StatscacheError
from statscache.history.archives.archive import Slice
from statscache.history.slice_counter import SliceCounter
from statscache.span import Span
from statscache.store.coverage import gaps
from statscache.upkeep.retention import chore
from statscache.upkeep.retention.restore import restore
from tests.support.past import Past
from tests.support.recounting import HOURS, START, body, count_all, dump
from tests.support.retention import (
    HALF_AN_HOUR,
    TABLES,
    Hours,
    KeptBench,
    Minutes,
    Seconds,
    drop_all,
    expected,
    gone,
    keeping,
    rows,
    sends,
)
from tests.support.stopping import Killer
from tests.upkeep.retention.conftest import MakeKept

BODIES = [body(number) for number in range(720)]
#: What is older than half an hour, in seconds after START.
OLD = 5400
DROPPED = Span(START, START + OLD)


@pytest.fixture
def past(server: Engine, database: str) -> Iterator[Callable[[], Past]]:
    """Takes copies of the database."""
    taken: list[Past] = []

    def take() -> Past:
        taken.append(Past(server, database))
        return taken[-1]

    yield take
    for its in taken:
        its.forget()


def lacking(bench: KeptBench, ident: str) -> list[Span]:
    with bench.engine.connect() as connection:
        return gaps(connection, [ident], HOURS)[ident]


def fill(bench: KeptBench, ident: str, span: Span) -> None:
    """Count what an archive has of a time."""
    bodies = [its for its in BODIES if int(its["timestamp"]) in span]
    SliceCounter(bench.app).count(Slice(span, bodies), frozenset([ident]))


def kept_again(bench: KeptBench) -> list[Span]:
    (part,) = [part for part in bench.app.parts if part.ident == "words-1s"]
    return restore(bench.engine, part, 0)


def reached(bench: KeptBench, work: Callable[[], Any]) -> None:
    """Do something once the broken connections are noticed."""
    while True:
        with contextlib.suppress(DBAPIError):
            return work()


def test_killed_before_any_statement_it_has_not_happened(words: KeptBench) -> None:
    """And the next time it does, whole: a gap, which an archive fills with every message once."""
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    before, killer = dump(words.engine), Killer(words.engine)
    done: list[Span] = []
    for killer.left in range(40):
        with contextlib.suppress(DBAPIError, ConnectionError):
            done = kept_again(words)
        killer.left = None
        if done:
            break
        assert dump(words.engine) == before
    assert killer.kills > 8
    assert (gone(words, "test_words_1s"), lacking(words, "words-1s")) == ([], [DROPPED])
    with pytest.raises(StatscacheError, match=r"^all of words-1s is kept: there is nothing to restore$"):
        kept_again(words)
    fill(words, "words-1s", DROPPED)
    assert {its: rows(words, its) for its in TABLES} == {
        its: expected(BODIES, length) for its, length in TABLES.items()
    }


def test_a_drop_that_a_failover_has_lost_is_done_again(
    make_kept: MakeKept,
    past: Callable[[], Past],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rows are there again, and complete; what came meanwhile is counted again, once, also in the time of these."""
    caplog.set_level("INFO")
    monkeypatch.setattr(chore, "PACE", 0.0)
    bench = make_kept(Seconds, Minutes, Hours, spool_tail=900.0, keep={"1s": HALF_AN_HOUR})
    count_all(bench)
    before = past()
    reached(bench, bench.keep_up)
    sends(bench, 15)
    late = {**body(0, "late", 15), "msg_id": "late 15"}
    assert gone(bench, "test_words_1s") == [Span(0, OLD)]
    before.come_back()
    reached(bench, lambda: gone(bench, "test_words_1s"))
    assert gone(bench, "test_words_1s") == []
    assert rows(bench, "test_words_1s") == expected(BODIES, 1)
    assert lacking(bench, "words-1s") == []
    reached(bench, bench.daemon.commits.commit_nothing)
    bench.flush()
    assert {its: rows(bench, its) for its in TABLES} == {
        its: expected([*BODIES, late], length) for its, length in TABLES.items()
    }
    bench.keep_up()
    assert gone(bench, "test_words_1s") == [Span(0, OLD)]
    kept = expected(BODIES, 1, lambda second: second >= START + OLD)
    assert rows(bench, "test_words_1s") == kept
    assert rows(bench, "test_words_1m") == expected([*BODIES, late], 60)
    assert "the database went back" in caplog.text
    assert [line for line in caplog.messages if "not kept any more" in line] == [
        f"test_words_1s: {number} rows of {DROPPED} are not kept any more" for number in (540, 541)
    ]


def test_a_restore_that_a_failover_has_lost_is_not_filled(words: KeptBench, past: Callable[[], Past]) -> None:
    """Who was about to fill it finds that it is not kept any more, and the command does it once again."""
    drop_all(words, keeping(words, _1s=HALF_AN_HOUR))
    before = past()
    reached(words, lambda: kept_again(words))
    before.come_back()
    reached(words, lambda: fill(words, "words-1s", DROPPED))
    assert gone(words, "test_words_1s") == [Span(0, OLD)]
    assert rows(words, "test_words_1s") == expected(BODIES, 1, lambda second: second >= START + OLD)
    assert kept_again(words) == [DROPPED]
    fill(words, "words-1s", DROPPED)
    assert rows(words, "test_words_1s") == expected(BODIES, 1)
