"""Several daemons flush at once: each message counts once, and no figure of any of them is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from statscache.database import keep_alive
from statscache.database.engine import SETTINGS, make_engine
from statscache.database.keep_alive import ConnectionLost
from statscache.database.lock import counting, counting_shared
from statscache.database.round_trip import RoundTrip
from statscache.history.archives.archive import Slice
from statscache.history.slice_counter import SliceCounter
from statscache.plugins import CountingPlugin, Message, counting_model
from statscache.span import Span
from tests.support.bench import Bad, Bench, Good, Keeper, Other, fail

Make = Callable[..., Bench]
#: How long in seconds something may take that waits for nobody.
SOON = 10.0


class Keyed(CountingPlugin):
    """Counts under keys of which each message has another order than the one before it."""

    name = summary = description = "keyed"
    model = counting_model("test_keyed", "messages by a key", key="the key")

    def process(self, message: Message) -> None:
        for key in message["msg"]["word"].split():
            self.count(message, key)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine as daemons have it."""
    engine = make_engine(database)
    yield engine
    engine.dispose()


def keyed(second: int) -> dict[str, Any]:
    """Return the message of a second."""
    return {"topic": "a.b.c.d", "msg": {"word": f"k{second}"}, "timestamp": second, "msg_id": f"old {second}"}


def statements(engine: Engine) -> list[str]:
    """Return a list to which every statement sent is added."""
    sent: list[str] = []

    @event.listens_for(engine, "do_execute_no_params")
    def note(cursor: Any, statement: str, context: Any) -> None:
        sent.append(statement)

    return sent


@contextmanager
def soon(call: Callable[[], object]) -> Iterator[threading.Thread]:
    """Have something done on a thread; afterwards it must be done."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(SOON)
    assert not thread.is_alive()
    assert not errors, errors


def test_a_flush_waits_for_no_other_flush(make_bench: Make, engine: Engine) -> None:
    """Another daemon may be in the middle of one, whatever it has written to the ledger."""
    bench = make_bench(Good, Other)
    bench.accept("x")
    with counting_shared(engine), soon(bench.flush):
        pass
    assert bench.volume("test_good") == 1


def test_a_flush_waits_for_who_must_be_alone(make_bench: Make, engine: Engine) -> None:
    """As long as history is counted, or tables change, no flush is under way."""
    bench = make_bench(Good)
    bench.accept("x")
    with ThreadPoolExecutor(1) as pool:
        with counting(engine):
            flush = pool.submit(bench.flush)
            with pytest.raises(TimeoutError):
                flush.result(0.5)
            assert bench.volume("test_good") == 0
        flush.result(SOON)
    assert bench.volume("test_good") == 1


@pytest.mark.parametrize(("age", "clips"), [(0, []), (600, ["UPDATE"])])
def test_all_upserts_and_the_commit_go_in_one_round_trip(
    age: int, clips: list[str], make_bench: Make
) -> None:
    """So the rows that all daemons write are locked for no longer than that.

    Where messages are late, what was verified of their time goes with it.
    """
    bench = make_bench(Good, Other)
    when = {"timestamp": time.time() - age, "msg_id": "1"}
    bench.intake.accept({"topic": "a.b.c.d", "msg": {"word": "x"}, **when})
    sent = statements(bench.engine)
    bench.flush()
    [together] = sent
    parts = [part.split()[0] for part in together.split("; ")]
    assert parts == [*clips, "SELECT", "INSERT", "INSERT", "SELECT", "UPDATE", "SELECT", "COMMIT"]
    assert together.index("test_good") < together.index("test_other") < together.index("statscache_coverage")


class Slow(Good):
    """Computes for a while before it writes."""

    def update(self, session: Any) -> None:
        time.sleep(0.8)
        super().update(session)


class SlowToo(Slow):
    name = "other"
    model = Other.model


def test_plugins_that_together_compute_for_long_do_not_lose_the_transaction(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends a session that is silent for too long, and all that they write is sent at the end."""
    monkeypatch.setitem(SETTINGS, "idle_in_transaction_session_timeout", "1s")
    monkeypatch.setattr(keep_alive, "SILENCE", 0.1)
    bench = make_bench(Slow, SlowToo)
    bench.accept("x")
    bench.flush()
    assert (bench.volume("test_good"), bench.volume("test_other")) == (1, 1)


class SlowToRead(Good):
    """Takes its time with each message."""

    def process(self, message: Message) -> None:
        time.sleep(0.3)
        super().process(message)


def test_a_plugin_that_takes_long_to_take_messages_again_does_not_lose_the_transaction(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it must where another daemon has counted some of them."""
    monkeypatch.setitem(SETTINGS, "idle_in_transaction_session_timeout", "1s")
    monkeypatch.setattr(keep_alive, "SILENCE", 0.1)
    first, second = make_bench(SlowToRead), make_bench(SlowToRead)
    first.send("counted already")
    first.flush()
    for message in ("counted already", *"abcdef"):
        second.send(message)
    second.flush()
    assert second.volume("test_good") == 7


def test_a_connection_that_is_lost_while_a_plugin_takes_messages_is_not_its_fault(
    make_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush fails, and all of it counts the next time."""
    monkeypatch.setattr(keep_alive, "SILENCE", 0.1)
    process, loses = SlowToRead.process, list[str]()

    def lose(plugin: Any, message: Message) -> None:
        if loses:
            first.execute(loses.pop())
        process(plugin, message)

    monkeypatch.setattr(SlowToRead, "process", lose)
    first, second = make_bench(SlowToRead), make_bench(SlowToRead)
    first.send("counted already")
    first.flush()
    for message in ("counted already", "a", "b"):
        second.send(message)
    loses.append(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE state LIKE 'idle in%' AND datname = current_database()"
    )
    with pytest.raises(ConnectionLost, match=r"terminat|closed"):
        second.flush()
    assert (second.volume("test_good"), second.quarantined("good")) == (1, [])
    second.flush()
    assert second.volume("test_good") == 3


def test_daemons_that_write_the_same_rows_lose_none_and_never_deadlock(make_bench: Make) -> None:
    """Four of them, each with keys in an order of its own, and a plugin beside them that writes in its own way."""
    benches = [make_bench(Keyed, Keeper, Good) for _ in range(4)]
    words = [str(number) for number in range(40)]

    def work(index: int) -> None:
        bench = benches[index]
        for turn in range(25):
            order = words[turn:] + words[:turn]
            for number in range(4):
                word = " ".join(order if index % 2 else reversed(order))
                bench.send(f"{index} {turn} {number}", word)
            bench.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert benches[0].volume("test_keyed") == 4 * 25 * 4 * 40
    assert benches[0].volume("test_keeper") == benches[0].volume("test_good") == 4 * 25 * 4
    [deadlocks] = benches[0].execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == (0,)


def test_a_message_that_all_daemons_hear_counts_once(make_bench: Make) -> None:
    """Each hears all of it, in another order, and they flush at once; none of their plugins counts it twice."""
    benches = [make_bench(*kinds) for kinds in ((Good, Other), (Good, Keyed), (Good, Other, Keeper))]

    def work(index: int) -> None:
        bench = benches[index]
        for start in range(0, 400, 20):
            numbers = range(start, start + 20)
            for number in numbers if index % 2 else reversed(numbers):
                bench.send(f"m{number}")
            bench.flush()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    for table in ("test_good", "test_other", "test_keyed", "test_keeper"):
        assert benches[0].volume(table) == 400, table


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_a_flush_that_ends_a_deadlock_is_made_again(state: str, make_bench: Make, caplog: Any) -> None:
    """Nothing is narrowed for it, and no plugin is blamed."""
    bench = make_bench(Good)
    bench.execute("CREATE SEQUENCE tries")
    bench.execute(
        "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        f"IF nextval('tries') < 3 THEN RAISE 'a deadlock' USING ERRCODE = '{state}'; END IF; RETURN NEW; END$$"
    )
    bench.execute("CREATE TRIGGER twice BEFORE INSERT ON test_good FOR EACH ROW EXECUTE FUNCTION twice()")
    bench.accept("x")
    bench.flush()
    assert (bench.volume("test_good"), bench.quarantined("good"), caplog.text) == (1, [], "")


def test_a_statement_that_fails_is_narrowed_alone(make_bench: Make) -> None:
    """The batch is written again by the daemon alone, so that what fails is found and all else counts."""
    bench = make_bench(Good, Other)
    bench.execute("ALTER TABLE test_good ADD CHECK (word <> 'bad')")
    bench.accept("a", "bad", "b")
    bench.flush()
    assert (bench.volume("test_good"), bench.volume("test_other")) == (2, 3)
    assert bench.quarantined("good") == ["2"]
    sent = statements(bench.engine)
    bench.accept("c", "bad")
    bench.flush()
    assert (bench.volume("test_good"), bench.quarantined("good")) == (3, ["2", "5"])
    assert "INSERT INTO test_good" not in "".join(sent)


def test_what_is_checked_at_the_commit_is_found_too(make_bench: Make) -> None:
    """A constraint that is deferred fails the COMMIT itself; then its plugin is found, as its savepoint shows it."""
    bench = make_bench(Good, Other)
    bench.execute("CREATE TABLE words (word text PRIMARY KEY)")
    bench.execute("INSERT INTO words VALUES ('a'), ('b')")
    bench.execute(
        "ALTER TABLE test_good ADD FOREIGN KEY (word) REFERENCES words DEFERRABLE INITIALLY DEFERRED"
    )
    bench.accept("a", "bad", "b")
    bench.flush()
    assert (bench.volume("test_good"), bench.volume("test_other")) == (2, 3)
    assert bench.quarantined("good") == ["2"]


def test_a_plugin_in_trouble_fails_only_its_own(make_bench: Make) -> None:
    """It writes in a way of its own, before the round trip; the others' counts are committed without it."""
    bench = make_bench(Good, Bad, Other)
    Bad.trouble = staticmethod(fail)
    bench.accept("x", "y")
    bench.flush()
    assert [bench.volume(f"test_{name}") for name in ("good", "other", "bad")] == [2, 2, 0]
    assert bench.quarantined("bad") == ["1", "2"]


def test_who_writes_a_table_in_a_way_of_its_own_is_alone_in_it(make_bench: Make, engine: Engine) -> None:
    """Keeper reads its row and writes it back, which loses counts unless nobody else does meanwhile."""
    one, two = make_bench(Keeper), make_bench(Keeper)
    began, goes_on = threading.Event(), threading.Event()
    update = Keeper.update

    def slowly(self: Any, session: Any) -> None:
        update(self, session)
        began.set()
        goes_on.wait(SOON)

    one.accept("x")
    two.send("other")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(Keeper, "update", slowly)
        first = pool.submit(one.flush)
        assert began.wait(SOON)
        patch.setattr(Keeper, "update", update)
        second = pool.submit(two.flush)
        with pytest.raises(TimeoutError):
            second.result(0.5)
        goes_on.set()
        first.result(SOON)
        second.result(SOON)
    assert one.volume("test_keeper") == 2


def test_a_transaction_that_nobody_commits_is_rolled_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the driver knows of none, and the connection is as new afterwards."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (a int)"))
    with counting_shared(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES (1)"))
    with pytest.raises(DBAPIError), counting_shared(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES (2), (1 / 0)"))
    with monkeypatch.context() as patch:
        patch.setattr("statscache.database.lock.SHARE", "SELECT 1 / 0")
        with pytest.raises(DBAPIError), counting_shared(engine):
            pass
    with counting_shared(engine) as connection:
        trip = RoundTrip(connection, lambda *given: "")
        with trip.taking():
            connection.execute(text("INSERT INTO kept VALUES (:number)"), {"number": 3})
        trip.commit()
    with engine.begin() as connection:
        assert connection.scalars(text("SELECT a FROM kept")).all() == [3]
        assert connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0


def test_two_daemons_that_fill_the_same_old_gap_count_it_once(make_bench: Make) -> None:
    """Nine days ago the ledger does not reach back, so slices are counted by one daemon after the other.

    New messages go in meanwhile, side by side.
    """
    benches = [make_bench(Keyed, Keeper, Good, ledger_keep=timedelta(days=8)) for _ in range(2)]
    begin = int(time.time()) - 9 * 86_400
    spans = [Span(begin + 60 * number, begin + 60 * number + 60) for number in range(60)]
    slices = [Slice(span, [keyed(span.start + number) for number in range(10)]) for span in spans]

    def fill(bench: Bench) -> None:
        counter = SliceCounter(bench.app)
        for found in slices:
            counter.count(found, bench.daemon.writer.plugins)

    def listen(index: int) -> None:
        for number in range(200):
            benches[index].send(f"new {index} {number}", "new")
            benches[index].flush()

    with ThreadPoolExecutor(4) as pool:
        listening = [pool.submit(listen, index) for index in range(2)]
        list(pool.map(fill, benches))
        for each in listening:
            each.result()
    for table in ("test_keyed", "test_keeper", "test_good"):
        assert benches[0].volume(table) == 600 + 400, table
