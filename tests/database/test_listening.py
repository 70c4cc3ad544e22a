"""Listening: all that is notified is heard, or it is said that it is not; and nothing is left behind."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.database.listening import NAME, Listener
from tests.support.commands import NOWHERE
from tests.support.gate import Gate
from tests.support.pgbouncer import PgBouncer
from tests.support.sql import run

Start = Callable[[str], "Ears"]


class Ears:
    """Notes what it is told, and listens until it is stopped."""

    def __init__(self, url: str) -> None:
        self.told: queue.Queue[bool | tuple[str, str]] = queue.Queue()
        self.listener = Listener(lambda: url, ["one", "two"], self)
        self.listener.start()

    def can_hear(self, can: bool) -> None:
        self.told.put(can)

    def heard(self, notifications: Sequence[tuple[str, str]]) -> None:
        for each in notifications:
            self.told.put(each)

    def next(self, patience: float = 10.0) -> Any:
        """Return what it is told next."""
        return self.told.get(timeout=patience)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts to listen to `one` and `two`."""
    made: list[Ears] = []

    def start(url: str) -> Ears:
        made.append(Ears(url))
        return made[-1]

    yield start
    for ears in made:
        ears.listener.stop()
        assert ears.listener.join(10)


def notify(engine: Engine, channel: str, payload: str) -> None:
    """Notify, as a flush does."""
    run(engine, f"SELECT pg_notify('{channel}', '{payload}')")


def sessions(engine: Engine) -> int:
    """Return how many sessions listeners have."""
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
        return int(connection.scalar(query, {"name": NAME}) or 0)


def test_what_is_notified_is_heard_in_order_and_nothing_else(
    start: Start, database: str, engine: Engine
) -> None:
    """Of the channels that it listens to, once it is committed."""
    ears = start(database)
    assert ears.next() is True
    notify(engine, "three", "a")
    notify(engine, "one", "b")
    notify(engine, "two", "c")
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_notify('one', 'rolled back')"))
    notify(engine, "two", "")
    assert [ears.next() for _ in range(3)] == [("one", "b"), ("two", "c"), ("two", "")]


def test_a_listener_that_is_stopped_leaves_no_session(start: Start, database: str, engine: Engine) -> None:
    """It has one while it listens, and ends within a moment."""
    ears = start(database)
    assert ears.next() is True
    assert sessions(engine) == 1
    before = time.monotonic()
    ears.listener.stop()
    assert ears.listener.join(2)
    assert time.monotonic() - before < 1
    assert ears.next() is False
    ears.listener.stop()
    time.sleep(0.3)
    assert sessions(engine) == 0


def test_a_session_that_was_ended_is_replaced(start: Start, database: str, engine: Engine) -> None:
    """It is told that something may have been missed, and what is notified after that is heard."""
    ears = start(database)
    assert ears.next() is True
    run(
        engine,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{NAME}'",
    )
    assert ears.next() is False
    assert ears.next() is True
    notify(engine, "one", "again")
    assert ears.next() == ("one", "again")


def test_a_server_that_comes_later_is_listened_to(
    start: Start, gate: Gate, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried until it succeeds; the log says once that it fails, and once that it does not any more."""
    gate.shut()
    ears = start(gate.url)
    time.sleep(2)
    gate.open()
    assert ears.next() is True
    messages = [record.message for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("changes of the database are not heard, and are asked for: ")
    assert messages[1] == "changes of the database are heard again"


def test_a_listener_of_no_server_is_stopped_at_once(start: Start) -> None:
    """It has told nobody that it hears anything."""
    ears = start(NOWHERE)
    time.sleep(0.3)
    ears.listener.stop()
    assert ears.listener.join(2)
    assert ears.told.empty()


@pytest.mark.parametrize("size", [1, 2, 20])
def test_nothing_is_heard_through_a_pooler_in_transaction_mode(
    size: int, start: Start, pooler: Callable[..., PgBouncer], caplog: pytest.LogCaptureFixture
) -> None:
    """It is noticed, said, and leaves no LISTEN in anybody's session."""
    between = pooler(size=size)
    ears = start(between.url)
    with pytest.raises(queue.Empty):
        ears.next(3)
    assert "are asked for: a pooler lends the sessions, such as PgBouncer" in caplog.text
    assert between.left() == []


def test_a_pooler_that_is_not_recognised_is_found_out(
    start: Start, pooler: Callable[..., PgBouncer], caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    """By what does not arrive; where LISTEN was said it is taken back."""
    monkeypatch.setattr("statscache.database.listening.shares_session", lambda own, others: False)
    between = pooler(size=3)
    ears = start(between.url)
    with pytest.raises(queue.Empty):
        ears.next(4)
    assert "what is notified does not arrive, as through a pooler" in caplog.text
    ears.listener.stop()
    assert ears.listener.join(5)
    assert between.left() == []


def test_a_pooler_in_session_mode_is_like_a_server(
    start: Start, pooler: Callable[..., PgBouncer], engine: Engine
) -> None:
    """Each client has a session of its own there."""
    ears = start(pooler(mode="session").url)
    assert ears.next() is True
    notify(engine, "two", "through")
    assert ears.next() == ("two", "through")
