"""How long things take: each table equals what a program computes over the messages, in whatever order they come."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from statscache.counting.transaction import Transaction
from statscache.history.archives.archive import Slice
from statscache.history.slice_counter import SliceCounter
from statscache.plugins import Message, duration_model
from statscache.plugins.in_windows import tables_of
from statscache.plugins.keyed import person_of
from statscache.query.columns import INTEGER
from statscache.query.recent import Wanted, recent
from statscache.query.tables import serve
from statscache.span import Span
from tests.support.bench import MINUTE, Bench
from tests.support.durations import Lengths, Sent, bucket, expected, found
from tests.support.histories import Benches, flush, histories
from tests.support.listener import Listener

Make = Callable[..., Bench]
RARELY = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
OFTEN = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@OFTEN
@given(data=st.data())
def test_every_cell_is_as_computed(make_bench: Make, data: st.DataObject) -> None:
    """Whatever the order in which messages come, and however they are split over flushes."""
    bench = Benches.one(make_bench)
    messages = data.draw(histories())
    cuts = data.draw(st.sets(st.integers(1, len(messages))))
    ends = sorted({*cuts, len(messages)})
    for start, stop in zip([0, *ends], ends, strict=False):
        flush(bench, messages[start:stop])
        assert found(bench) == expected(messages[:stop])
    assert bench.quarantined("lengths") == []


@RARELY
@given(data=st.data())
def test_history_comes_newest_first(make_bench: Make, data: st.DataObject) -> None:
    """In slices, after what has come over the bus meanwhile, of which it has all again."""
    bench = Benches.one(make_bench)
    messages = data.draw(histories())
    flush(bench, messages[: data.draw(st.integers(0, len(messages)))])
    counter = SliceCounter(bench.app)
    length = data.draw(st.sampled_from([5, 60, 100, 480]))
    for stop in range(480, 0, -length):
        span = Span(max(0, stop - length), stop)
        counter.count(Slice(span, [each.body for each in messages]), frozenset(["lengths"]))
    assert found(bench) == expected(messages)


def test_daemons_that_are_killed_lose_nothing_and_count_nothing_twice(make_bench: Make) -> None:
    """Each dies before a flush, after it, or in the middle of its transaction, and the next takes over its spool."""
    chance = random.Random(11)
    sent = [Sent(chance.randrange(1000, 1400), f"m{n}", random_words(chance)) for n in range(240)]
    for start in range(0, len(sent), 20):
        bench = make_bench(Lengths)
        for message in sent[start : start + 20]:
            bench.intake.accept(message.body)
        end = chance.choice(["before", "after", "within"])
        with pytest.MonkeyPatch.context() as patch:
            if end == "within":
                patch.setattr(
                    Transaction, "commit", lambda self: self.connection.execute(text("SELECT 1 / 0"))
                )
            with suppress(DBAPIError):
                if end != "before":
                    bench.flush()
        bench.die()
    last = make_bench(Lengths)
    for _ in range(20):
        last.flush()
    assert found(last) == expected(sent)


@RARELY
@given(data=st.data())
def test_two_daemons_side_by_side_miss_nothing_of_each_other(make_bench: Make, data: st.DataObject) -> None:
    """Each hears a part of the messages, some both, and they flush at once; both see the other's events."""
    benches = Benches.some(make_bench, 2)
    messages = data.draw(histories())
    shares = data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=len(messages), max_size=len(messages)))

    def work(own: int) -> None:
        for message, share in zip(messages, shares, strict=True):
            if share != own:
                flush(benches[own], [message])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert found(benches[0]) == expected(messages)


def test_many_daemons_write_the_same_rows(make_bench: Make) -> None:
    """Four of them, in flushes of many messages, of which each needs the events of all."""
    benches = [make_bench(Lengths) for _ in range(4)]
    chance = random.Random(7)
    sent = [Sent(chance.randrange(1000, 1400), f"m{n}", random_words(chance)) for n in range(1200)]

    def work(own: int) -> None:
        its = sent[own::4]
        for start in range(0, len(its), 10):
            flush(benches[own], its[start : start + 10])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert found(benches[0]) == expected(sent)
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert benches[0].execute(query) == [(0,)]


class Begins(Lengths):
    """Takes the begins alone; its table is another's, too."""

    name = "begins"
    takes: ClassVar[str] = "began"

    def process(self, message: Message) -> None:
        for method, *arguments in message["msg"]["word"]:
            if method == self.takes:
                getattr(self, method)(message, *arguments)


class Ends(Begins):
    """Takes the ends alone."""

    name = "ends"
    takes: ClassVar[str] = "ended"


def test_two_plugins_of_one_table_see_each_other_s_events(make_bench: Make) -> None:
    """Also those that the same flush writes."""
    chance = random.Random(7)
    bench = make_bench(Begins, Ends)
    sent = [Sent(chance.randrange(1000, 1200), f"m{n}", random_words(chance)) for n in range(60)]
    for start in range(0, len(sent), 15):
        flush(bench, sent[start : start + 15])
        assert found(bench) == expected(sent[: start + 15])
    assert bench.quarantined("begins") == bench.quarantined("ends") == []


def random_words(chance: random.Random) -> tuple[tuple[Any, ...], ...]:
    id, kind = f"i{chance.randrange(40)}", chance.choice("xyz")
    return (("began", id, None, None),) if chance.random() < 0.6 else (("ended", id, kind, "ann"),)


def test_what_comes_later_takes_back_what_it_changes(make_bench: Make) -> None:
    """Also in the rows of other windows, and no row is left that counts nothing."""
    bench = make_bench(Lengths)
    began, ended = ("began", "a", None, None), ("ended", "a", "x", "ann")
    steps = [
        (Sent(190, "d", (ended,)), {(180, -1): (1, 0)}),
        (Sent(110, "b", (began,)), {(180, bucket(80)): (1, 80)}),
        (Sent(120, "c", (ended,)), {(120, bucket(10)): (1, 10), (180, -1): (1, 0)}),
        (Sent(105, "a", (began,)), {(120, bucket(15)): (1, 15), (180, -1): (1, 0)}),
        (Sent(121, "e", (began,)), {(120, bucket(15)): (1, 15), (180, bucket(69)): (1, 69)}),
    ]
    for sent, rows in steps:
        flush(bench, [sent])
        assert {(start, at): row for (start, _, at), row in found(bench).items()} == rows


def test_only_what_changes_is_told(make_bench: Make, database: str) -> None:
    """Those who listen hear of the windows whose rows change, which can be later than the message, and of events."""
    bench, listener = make_bench(Lengths), Listener(database)
    begin, end = ("began", "a", None, None), ("ended", "a", "x", "ann")
    steps = [
        (Sent(600, "end", (end,)), {"test_lengths": (600, 660), "test_lengths_event": (600, 601)}),
        (Sent(540, "begin", (begin,)), {"test_lengths": (600, 660), "test_lengths_event": (540, 541)}),
        (Sent(550, "other", (begin,)), {"test_lengths_event": (550, 551)}),
    ]
    for sent, windows in steps:
        flush(bench, [sent])
        told = {each["table"]: (seconds(each["from"]), seconds(each["to"])) for each in listener.heard()}
        assert told == windows
    listener.close()


def seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([["began", "a", "x"]], "began takes the keys of test_lengths, kind, who, and got 1"),
        ([["ended", "a", "x", "y", "z"]], "ended takes the keys of test_lengths, kind, who, and got 3"),
        ([["ended", "a", None, "ann"]], "a key must be a text, not None"),
        ([["began", "a", 7, None]], "a key must be a text, not 7"),
        ([["began", 7, None, None]], "a key must be a text, not 7"),
        ([["ended", "ä" * 901, "x", "ann"]], "an id may have at most 1800 bytes, and "),
        ([["ended", "a\0", "x", "ann"]], "PostgreSQL texts cannot hold the NUL"),
    ],
)
def test_what_cannot_be_kept_is_in_the_quarantine(make_bench: Make, words: Any, error: str) -> None:
    bench = make_bench(Lengths)
    bench.accept([["began", "b", "x", "y"], *words], [["ended", "é" * 900, "x", "ann"]])
    bench.flush()
    [(found_error,)] = bench.execute("SELECT error FROM statscache_quarantine")
    assert error in found_error
    assert bench.execute("SELECT volume FROM test_lengths") == [(1,)]
    assert bench.execute("SELECT count(*) FROM test_lengths_event") == [(1,)]


@pytest.mark.parametrize("give_up", [timedelta(0), timedelta(seconds=1.5), timedelta(days=3653), 7, None])
def test_a_plugin_gives_up_after_whole_seconds(give_up: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="give_up"):
        type("Wrong", (Lengths,), {"give_up": give_up})(MINUTE, {})


def test_a_key_is_no_column_of_the_table_s_own() -> None:
    with pytest.raises(ValueError, match="seconds is a column of every table of durations"):
        duration_model("test_wrong", "lengths", seconds="no")


def test_the_person_is_known_in_both_tables() -> None:
    """So what is known of one can be removed from both."""
    model = duration_model("test_person", "lengths", person="agent", agent="who", kind="what")
    assert person_of(model) == "agent"
    assert [table.name for table in tables_of(model)] == ["test_person", "test_person_event"]
    assert tables_of(model)[1].columns["agent"].info == model.__table__.columns["agent"].info


def test_its_table_is_shown_and_served_as_any_other(make_bench: Make) -> None:
    """With the columns as they are, and its texts as keys to filter by."""
    bench = make_bench(Lengths)
    flush(
        bench, [Sent(100, "1", (("began", "a", None, None),)), Sent(130, "2", (("ended", "a", "x", "ann"),))]
    )
    plugin = bench.app.parts[0].plugin
    with bench.engine.connect() as connection:
        shown = recent(connection, plugin, Wanted(), datetime.now(UTC))
    assert [row[1:] for row in shown.rows] == [("x", "ann", bucket(30), 1, 30)]
    table = serve(plugin)
    assert [column.name for column in table.columns] == list(shown.titles)
    assert {column.name: column.kind for column in table.columns}["bucket"] is INTEGER
    assert table.filters == {"kind": "kind", "who": "who"}
