"""Who listens to `statscache` hears which tables a transaction has changed, and in which windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Mapped, mapped_column

from statscache.counting.notifications import Changes
from statscache.database.lock import APART
from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.slice_counter import SliceCounter
from statscache.plugins import BaseModel, BasePlugin, Message
from statscache.span import Span
from tests.support.bench import Bad, Bench, Good, Keeper, Other, fail
from tests.support.listener import Listener
from tests.support.recounting import HOURS, START, Latest, body, count_all
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]


class Odd(BasePlugin):
    """Writes rows of a model of its own, as the test says."""

    name = summary = description = "odd"
    queued = True

    class Model(BaseModel):
        """Words."""

        __tablename__ = "test_odd"
        __table_args__ = ({"comment": "words"},)
        word: Mapped[str] = mapped_column(comment="a word")

    model = Model
    write: Callable[[Any, list[Message]], object] = staticmethod(lambda session, messages: None)

    def process(self, message: Message) -> None:
        self.queue.put(message)

    def update(self, session: Any) -> None:
        Odd.write(session, self.queue.drain())


@pytest.fixture
def listener(database: str) -> Iterator[Listener]:
    """Somebody who listens."""
    listener = Listener(database)
    yield listener
    listener.close()


def test_a_flush_tells_each_table_it_changed_once_with_the_windows(
    make_bench: Make, listener: Listener
) -> None:
    """From is the start of the first window that changed, to the end of the last; both in ISO 8601 and UTC."""
    bench = make_bench(Good, Other)
    for number in (0, 7, 700):
        bench.intake.accept(body(number))
    bench.flush()
    windows = {"from": "2023-11-14T22:00:00Z", "to": "2023-11-14T23:57:00Z"}
    assert listener.heard() == [{"table": "test_good", **windows}, {"table": "test_other", **windows}]


def test_the_form_of_a_payload(make_bench: Make, listener: Listener) -> None:
    """A payload is one JSON object of three members, as the README shows it."""
    bench = make_bench(Good)
    bench.accept("x")
    bench.flush()
    assert listener.payloads() == [
        '{"table": "test_good", "from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:01:00Z"}'
    ]


def test_nothing_is_told_when_nothing_has_changed(make_bench: Make, listener: Listener) -> None:
    """A message that was counted already, upkeep and a flush of nothing are silent."""
    bench = make_bench(Good, Latest)
    bench.intake.accept(body(0))
    bench.flush()
    assert len(listener.heard()) == 2
    bench.intake.accept(body(0))
    bench.flush()
    bench.daemon.upkeep.keep_up()
    bench.flush()
    assert listener.heard() == []


def test_a_state_that_is_not_the_latest_is_not_told(make_bench: Make, listener: Listener) -> None:
    """Of a log, from and to are the seconds of the states noted; an older one changes nothing."""
    bench = make_bench(Latest)
    bench.intake.accept(body(3))
    bench.flush()
    assert listener.heard() == [
        {"table": "test_latest", "from": "2023-11-14T22:00:30Z", "to": "2023-11-14T22:00:31Z"}
    ]
    bench.intake.accept(body(0))
    bench.flush()
    assert listener.heard() == []


def test_what_does_not_commit_is_not_told(make_bench: Make, listener: Listener) -> None:
    """Neither a transaction that fails nor a plugin's savepoint that is rolled back."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.execute("ALTER TABLE statscache_spool RENAME TO away")
    with pytest.raises(Exception, match="statscache_spool"):
        bench.flush()
    assert listener.heard() == []
    bench.execute("ALTER TABLE away RENAME TO statscache_spool")
    bench.flush()
    assert [told["table"] for told in listener.heard()] == ["test_good"]


def test_figures_come_first(make_bench: Make, listener: Listener, caplog: Any) -> None:
    """Where NOTIFY is not to be had all counts, and the log says why nobody is told."""
    bench = make_bench(Good)
    bench.execute(
        "CREATE SCHEMA mine; CREATE FUNCTION mine.pg_notify(text, text) RETURNS void LANGUAGE plpgsql "
        "AS $$BEGIN RAISE 'no such luck'; END$$"
    )
    bench.execute(f'ALTER DATABASE "{bench.engine.url.database}" SET search_path = mine, pg_catalog, public')
    bench.engine.dispose()
    bench.accept("x")
    bench.flush()
    assert bench.volume("test_good") == 1
    assert listener.heard() == []
    assert "NOTIFY failed, so listeners do not hear of this change: no such luck" in caplog.text


def test_a_queue_that_fills_up_is_spared(
    make_bench: Make, listener: Listener, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the share of the queue that is left to others nobody is told, and the log says what to do."""
    monkeypatch.setattr("statscache.counting.notifications.FULL", 0.0)
    bench = make_bench(Good)
    bench.accept("x")
    bench.flush()
    assert bench.volume("test_good") == 1
    assert listener.heard() == []
    bench.daemon.upkeep.keep_up()
    assert "queue of notifications is half full: end the session" in caplog.text


def test_a_retry_tells(make_bench: Make, listener: Listener) -> None:
    """A message that leaves the quarantine changes its plugin's table."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(fail)
    bench.accept("x")
    bench.flush()
    listener.heard()
    Bad.trouble = staticmethod(lambda session: None)
    bench.retry("bad")
    assert [told["table"] for told in listener.heard()] == ["test_bad"]


def test_history_tells(make_bench: Make, listener: Listener) -> None:
    """A slice of an archive and messages of files are told as those of the bus are."""
    bench = make_bench(Good)
    counter = SliceCounter(bench.app)
    span = Span(START, START + 600)
    counter.count(Slice(span, [body(0), body(30)]), frozenset(["good"]))
    window = {"table": "test_good", "from": "2023-11-14T22:00:00Z", "to": "2023-11-14T22:06:00Z"}
    assert listener.heard() == [window]
    counter.count_loose([Message(body(100), bench.app.naming)])
    assert [told["from"] for told in listener.heard()] == ["2023-11-14T22:16:00Z"]


def test_a_rebuild_tells_what_it_exchanges_and_not_what_it_counts_beside(
    make_bench: Make, listener: Listener, two_hours: Archive
) -> None:
    """Only the table whose rows are replaced is told, once, with the time that was counted again."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = 7")
    listener.heard()
    rebuild(bench.app, Datagrepper(two_hours.url), ["good", "other"], HOURS, lambda sentence: None)
    assert listener.heard() == [
        {"table": "test_good", "from": "2023-11-14T22:00:00Z", "to": "2023-11-15T00:00:00Z"}
    ]


def _orm(session: Any, messages: list[Message]) -> None:
    session.add_all(Odd.Model(timestamp=message.when, word="x") for message in messages)


def _plain(session: Any, messages: list[Message]) -> None:
    session.execute(text("INSERT INTO test_odd (timestamp, word) VALUES (now(), 'x')"))


def _driver(session: Any, messages: list[Message]) -> None:
    session.connection().exec_driver_sql("INSERT INTO test_odd (timestamp, word) VALUES (now(), 'x')")


def _commits(session: Any, messages: list[Message]) -> None:
    _orm(session, messages)
    session.commit()


@pytest.mark.parametrize("write", [_orm, _plain, _driver, _commits])
def test_a_plugin_that_writes_as_it_likes_is_told(write: Any, make_bench: Make, listener: Listener) -> None:
    """The author does nothing for it; from and to are null, as nobody knows them."""
    Odd.write = staticmethod(write)
    bench = make_bench(Odd)
    bench.accept("x")
    bench.flush()
    assert listener.heard() == [{"table": "test_odd", "from": None, "to": None}]


def _reads(session: Any, messages: list[Message]) -> None:
    session.execute(text("SELECT count(*) FROM test_odd"))


def _in_vain(session: Any, messages: list[Message]) -> None:
    session.execute(update(Odd.Model).values(word="y"))


@pytest.mark.parametrize("write", [_reads, _in_vain])
def test_a_plugin_that_changes_no_row_is_not_told(write: Any, make_bench: Make, listener: Listener) -> None:
    """Reading is no change, nor is an UPDATE that finds nothing."""
    Odd.write = staticmethod(write)
    bench = make_bench(Odd)
    bench.accept("x")
    bench.flush()
    assert listener.heard() == []


class Twice(Good):
    """Adds what it has counted in two statements."""

    def update(self, session: Any) -> None:
        for item in self.queue.drain():
            self.queue.offer([item])
            super().update(session)


class Forgetful(Good):
    """Counts, and deletes what is old."""

    def update(self, session: Any) -> None:
        super().update(session)
        session.execute(delete(self.model).where(self.model.timestamp < text("'2023-11-14'")))


def test_all_statements_of_an_update_are_told(make_bench: Make, listener: Listener) -> None:
    """From and to span the windows of them all."""
    bench = make_bench(Twice)
    for number in (0, 700, 7):
        bench.intake.accept(body(number))
    bench.flush()
    assert listener.heard() == [
        {"table": "test_good", "from": "2023-11-14T22:00:00Z", "to": "2023-11-14T23:57:00Z"}
    ]


def test_what_is_known_of_one_statement_is_not_said_of_another(make_bench: Make, listener: Listener) -> None:
    """A plugin that counts and beside that writes in a way of its own is told without windows, once it does."""
    bench = make_bench(Forgetful)
    bench.send("old")
    bench.flush()
    assert [told["from"] for told in listener.heard()] == [None]
    bench.intake.accept(body(0))
    bench.flush()
    assert [told["from"] for told in listener.heard()] == ["2023-11-14T22:00:00Z"]


def test_state_of_a_plugins_own_is_told(make_bench: Make, listener: Listener) -> None:
    """A plugin with a dict of its own, as those for statscache 0.0.4, is told like any other."""
    bench = make_bench(Keeper)
    bench.accept("x", "y")
    bench.flush()
    assert listener.heard() == [{"table": "test_keeper", "from": None, "to": None}]


def test_the_ends_of_time(make_bench: Make, listener: Listener) -> None:
    """The last second of 9999 counts and is told, though the end of its window has no name in ISO 8601."""
    bench = make_bench(Good)
    bench.intake.accept({**body(0), "timestamp": 253_402_300_799})
    bench.flush()
    assert listener.heard() == [
        {"table": "test_good", "from": "9999-12-31T23:59:00Z", "to": "9999-12-31T23:59:59Z"}
    ]


def test_what_several_plugins_do_to_one_table_is_put_together() -> None:
    """Of several plugins that write one table the windows are joined; what is not known of one, is of none."""
    changes = Changes()
    changes.add([("a", (60, 120)), ("b", (0, 60))])
    changes.add([("a", (0, 60)), ("b", None)])
    assert [payload for _, payload in changes._told()] == [
        '{"table": "a", "from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:02:00Z"}',
        '{"table": "b", "from": null, "to": null}',
    ]


def test_a_payload_is_short_enough_whatever_the_table_is_called(make_bench: Make, listener: Listener) -> None:
    """The longest names there are stay far below the 8,000 bytes at which NOTIFY would fail the flush."""
    changes = Changes()
    names = [f"{'é' * 31}.{'ü' * 30}{end}" for end in "ab"]
    changes.add((name, (0, 60)) for name in names)
    with make_bench(Good).engine.begin() as connection:
        changes.tell(connection)
        changes.tell(connection.execution_options(**{APART: True}))
    assert [told["table"] for told in listener.heard()] == names
