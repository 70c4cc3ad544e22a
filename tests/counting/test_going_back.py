"""A database that has lost what it had committed: all of it is counted again, or called what it is, a gap."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from statscache.daemon import open_daemon
from statscache.store.continuity import DatabaseIncomplete
from tests.support.daemons import accept, counted, die, message, spools
from tests.support.listening import Listening, assert_honest, complete, seconds_with_messages
from tests.support.past import Past

TakePast = Callable[[], Past]


@pytest.fixture
def take_past(server: Engine, database: str) -> Iterator[TakePast]:
    """Takes copies of the database."""
    taken: list[Past] = []

    def take() -> Past:
        taken.append(Past(server, database))
        return taken[-1]

    yield take
    for past in taken:
        past.forget()


@pytest.fixture
def engine(database: str) -> Engine:
    """An engine that keeps no connections, which are broken now and then."""
    return create_engine(database, poolclass=NullPool)


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with a tail."""
    return {**config, "statscache.spool.tail": 900}


def test_what_a_failover_has_lost_is_counted_again(
    config: dict[str, Any], engine: Engine, take_past: TakePast, caplog: pytest.LogCaptureFixture
) -> None:
    """Every message counts once, and what was complete becomes so again, without a gap."""
    daemon = open_daemon(config)
    bus = Listening(daemon)
    bus.live(400)
    past = take_past()
    bus.live(200)
    before = complete(engine)
    past.come_back()
    assert complete(engine) != before
    bus.live(100)
    assert seconds_with_messages(engine) == set(range(1, 701))
    [(start, stop)] = complete(engine)
    assert (start, stop) == (before[0][0], 699 - 300)
    assert "the database went back" in caplog.text
    assert daemon.finish(5)


def test_it_is_noticed_on_a_quiet_bus(config: dict[str, Any], engine: Engine, take_past: TakePast) -> None:
    """Also a daemon that has nothing to write finds out, and counts again."""
    bus = Listening(open_daemon(config))
    bus.live(5)
    bus.flush()
    past = take_past()
    bus.live(5)
    bus.flush()
    past.come_back()
    for _ in range(3):
        with contextlib.suppress(DBAPIError):
            bus.daemon.commits.commit_nothing()
    bus.flush()
    assert seconds_with_messages(engine) == set(range(1, 11))


def test_a_stop_and_a_start_around_a_failover_lose_nothing(
    config: dict[str, Any], engine: Engine, take_past: TakePast
) -> None:
    """The spool of a daemon that has stopped stays for the tail, and whoever runs then looks at it again and again."""
    first = Listening(open_daemon(config))
    first.live(20)
    past = take_past()
    first.live(20)
    assert first.daemon.finish(5)
    second = Listening(open_daemon(config), first.now)
    second.live(20)
    second.daemon.adoption.run()
    past.come_back()
    second.live(10)
    with contextlib.suppress(DBAPIError):
        second.daemon.adoption.run()
    second.daemon.adoption.run()
    second.flush()
    assert seconds_with_messages(engine) == set(range(1, 71))
    assert_honest(engine)


def test_a_kill_and_a_failover_lose_nothing(
    config: dict[str, Any], engine: Engine, take_past: TakePast
) -> None:
    """A daemon that was killed leaves a spool that is counted again from where the database has it."""
    first = Listening(open_daemon(config))
    first.live(20)
    past = take_past()
    first.live(25)
    die(first.daemon)
    past.come_back()
    second = Listening(open_daemon(config), first.now)
    second.flush()
    assert seconds_with_messages(engine) == set(range(1, 46))


def test_an_adopted_spool_is_counted_again_too(
    config: dict[str, Any], engine: Engine, take_past: TakePast
) -> None:
    """What a dead daemon had accepted and its heir has committed survives that the database loses it."""
    first = Listening(open_daemon(config))
    first.live(5)
    die(first.daemon)
    heir = open_daemon(config)
    past = take_past()
    heir.flusher.flush()
    assert counted(engine) == 5
    past.come_back()
    for _ in range(3):
        with contextlib.suppress(DBAPIError):
            heir.adoption.run()
            heir.flusher.flush()
    assert counted(engine) == 5
    assert heir.finish(5)


def test_what_is_older_than_the_tail_is_a_gap(
    config: dict[str, Any], engine: Engine, take_past: TakePast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the spool has not got any more is called incomplete, and what comes after it is complete."""
    bus = Listening(open_daemon(config))
    bus.live(400)
    past = take_past()
    bus.live(400)
    start = bus.daemon.spool.end
    bus.daemon.spool._segments.drop(start)
    bus.live(20)
    past.come_back()
    bus.live(400)
    has = seconds_with_messages(engine)
    assert has == {*range(1, 401), *range(801, 1221)}
    assert_honest(engine)
    [(_, first_stop), (second_start, second_stop)] = complete(engine)
    assert first_stop <= 400
    assert 800 < second_start < 830
    assert second_stop == 1219 - 300
    with engine.connect() as connection:
        [(reason,)] = connection.execute(text("SELECT reason FROM statscache_gap")).all()
    assert reason == "the spool does not reach back to what the database has"


def test_a_loss_that_the_database_has_forgotten_is_recorded_again(
    config: dict[str, Any], engine: Engine, take_past: TakePast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of a late message that could not be spooled is not complete again, and the loss is said once."""

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    bus = Listening(open_daemon(config))
    bus.live(20)
    bus.now += 30
    bus.live(700)
    past = take_past()
    bus.flush()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        assert not bus.daemon.intake.accept(message(35))
    bus.live(10)
    past.come_back()
    assert any(start <= 35 < stop for start, stop in complete(engine))
    bus.live(20)
    assert not any(start <= 35 < stop for start, stop in complete(engine))
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT messages FROM statscache_gap")).all() == [1]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM statscache_database",
        "UPDATE statscache_database SET id = 'another'",
        "ALTER TABLE statscache_ledger DROP CONSTRAINT statscache_ledger_pkey",
        "DROP TABLE statscache_gap",
        "ALTER TABLE data_volume_1m DROP CONSTRAINT data_volume_1m_pkey",
    ],
)
def test_nothing_is_written_to_a_database_that_is_not_all_there(
    damage: str, config: dict[str, Any], engine: Engine, take_past: TakePast
) -> None:
    """While a dump is being restored the daemon waits, says so in one line, and goes on by itself."""
    daemon = open_daemon(config)
    accept(daemon, 1)
    daemon.flusher.flush()
    past = take_past()
    with engine.begin() as connection:
        connection.execute(text(damage))
    accept(daemon, 2)
    with pytest.raises(DatabaseIncomplete):
        daemon.flusher.step()
    assert counted(engine) == 1
    past.come_back()
    with contextlib.suppress(DBAPIError):
        daemon.flusher.flush()
    daemon.flusher.flush()
    assert counted(engine) == 2
    assert daemon.finish(5)


def test_a_row_of_the_spool_that_somebody_has_deleted_comes_back(
    config: dict[str, Any], engine: Engine
) -> None:
    """The daemon counts from the beginning of its spool, which the ledger makes safe."""
    bus = Listening(open_daemon(config))
    bus.live(20)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM statscache_spool"))
    bus.live(20)
    assert seconds_with_messages(engine) == set(range(1, 41))
    assert_honest(engine)


def test_a_commit_whose_answer_was_lost_is_no_return_to_the_past(
    config: dict[str, Any], engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was committed or not, nothing is said of the database having gone back."""
    daemon = open_daemon(config)
    do_commit = daemon.engine.dialect.do_commit
    for number, committed in enumerate([True, False, True, True, False], 1):
        accept(daemon, number)

        def lost(connection: Any, committed: bool = committed) -> None:
            (do_commit if committed else connection.rollback)(*([connection] if committed else []))
            raise OSError("as the test says")

        with monkeypatch.context() as patch:
            patch.setattr(daemon.engine.dialect, "do_commit", lost)
            with pytest.raises(OSError, match="as the test says"):
                daemon.flusher.step()
        if number % 2:
            daemon.flusher.flush()
    daemon.flusher.flush()
    assert counted(engine) == 5
    assert "went back" not in caplog.text
    assert daemon.finish(5)


def test_spools_of_daemons_that_stopped_go_after_the_tail(config: dict[str, Any], engine: Engine) -> None:
    """With their rows, once the database has had them for so long."""
    daemon = open_daemon(config)
    accept(daemon, 1)
    assert daemon.finish(5)
    other = open_daemon(config)
    other.adoption.run()
    assert len(spools(config)) == 2
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE statscache_spool SET updated = updated - interval '901 s' WHERE position > 0")
        )
    other.adoption.run()
    other.upkeep.keep_up()
    assert spools(config) == [other.spools / other.spool.id]
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT id FROM statscache_spool")).all() == [other.spool.id]
    assert other.finish(5)
