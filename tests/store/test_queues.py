"""Which queues share the messages of AMQP, from when until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, text

from statscache.daemon import Daemon
from statscache.store.queues import Member, begin, bus_of, forget, join, members, retire
from tests.support.sql import run

LATENESS = 60.0


def queues(*numbers: int) -> list[str]:
    """Return names of queues."""
    return [f"q-{number}" for number in numbers]


def found(engine: Engine) -> dict[str, Member]:
    """Return what is known of the queues called q."""
    with engine.connect() as connection:
        return members(connection, "q")


def awaited(engine: Engine, queue: str) -> Sequence[tuple[Any, Any]]:
    """Return from when until when something is awaited of a queue, in seconds from now."""
    query = """SELECT extract(epoch FROM lower(each) - now())::float8, extract(epoch FROM upper(each) - now())::float8
        FROM (SELECT unnest('{(,)}'::tstzmultirange - heard) FROM statscache_bus WHERE bus = :bus) AS found(each)"""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"bus": bus_of(queue)})]


def hear(engine: Engine, queue: str, span: str) -> None:
    """Note that a queue is heard in a time, as a daemon does."""
    for plugin in ("one", "two"):
        run(engine, f"INSERT INTO statscache_heard VALUES ('{bus_of(queue)}', '{plugin}', '{{{span}}}')")


def is_about(found: float | None, expected: float) -> bool:
    """Return whether an instant is the expected one, as the test began a moment ago."""
    return found is not None and expected - 15 < found <= expected


def test_of_the_first_queues_nothing_before_they_begin_is_awaited(daemon: Daemon) -> None:
    """Until that is said all is awaited of them, since nobody knows from when on they get everything."""
    engine = daemon.engine
    join(engine, "q", queues(1, 2), LATENESS)
    assert awaited(engine, "q-1") == awaited(engine, "q-2") == [(None, None)]
    assert found(engine)["q-1"] == Member(False, False, None, None)
    begin(engine, "q")
    for queue in queues(1, 2):
        [(first, last)] = awaited(engine, queue)
        assert is_about(first, 5.0)
        assert last is None


def test_of_more_queues_what_may_be_late_is_awaited(daemon: Daemon) -> None:
    """As they get what was sent before them, too; and nothing changes for those that are there, however often."""
    engine = daemon.engine
    join(engine, "q", queues(1, 2), LATENESS)
    begin(engine, "q")
    run(engine, "UPDATE statscache_bus SET heard = '{(,2024-01-01)}' WHERE bus LIKE 'amqp/q-%'")
    before = found(engine)
    for _ in range(2):
        join(engine, "q", queues(1, 2, 3, 10), LATENESS)
        begin(engine, "q")
    for queue in queues(3, 10):
        [(first, last)] = awaited(engine, queue)
        assert is_about(first, -LATENESS)
        assert last is None
    after = found(engine)
    assert {queue: after[queue] for queue in before} == before
    assert list(after) == queues(1, 2, 3, 10)


def test_queues_of_another_name_are_another_matter(daemon: Daemon) -> None:
    """Also of one that begins alike, and what is not numbered is none."""
    engine = daemon.engine
    for name in ("q-1", "qq", "%", "q"):
        join(engine, name, [f"{name}-1"], LATENESS)
    join(engine, "q", ["q-x", "q-01"], LATENESS)
    assert list(found(engine)) == ["q-1"]
    begin(engine, "q")
    assert awaited(engine, "qq-1") == awaited(engine, "q-1-1") == [(None, None)]


def test_what_daemons_have_heard_before_queues_begin_changes_nothing(daemon: Daemon) -> None:
    """As when the command was killed before it could say so: they may have heard a queue that did not get all."""
    engine = daemon.engine
    join(engine, "q", queues(1, 2), LATENESS)
    hear(engine, "q-2", "[2024-01-01 12:00+00,2024-01-01 13:00+00)")
    begin(engine, "q")
    for queue in queues(1, 2):
        [(first, _)] = awaited(engine, queue)
        assert is_about(first, 5.0)


def test_what_is_in_a_retired_queue_is_awaited_until_it_is_heard(daemon: Daemon) -> None:
    """And retiring it once more, later, makes it no more."""
    engine = daemon.engine
    join(engine, "q", queues(1, 2), LATENESS)
    begin(engine, "q")
    run(engine, "UPDATE statscache_bus SET heard = '{(,2024-01-01)}' WHERE bus = 'amqp/q-2'")
    for _ in range(2):
        retire(engine, "q-2")
        member = found(engine)["q-2"]
        [(first, last)] = awaited(engine, "q-2")
        assert first is not None
        assert first < -LATENESS
        assert is_about(last, 5.0)
        assert member.retired
        assert not member.is_done
    forget(engine, "q-2")
    hear(engine, "q-2", "[2023-01-01,2200-01-01)")
    assert found(engine)["q-2"].is_done
    forget(engine, "q-2")
    forget(engine, "q-1")
    assert list(found(engine)) == ["q-1"]


def test_a_retired_queue_that_comes_back_is_awaited_again(daemon: Daemon) -> None:
    """From then on, and as far as it was before."""
    engine = daemon.engine
    join(engine, "q", queues(1, 2, 3), LATENESS)
    begin(engine, "q")
    run(engine, "UPDATE statscache_bus SET heard = '{(,)}' WHERE bus = 'amqp/q-2'")
    run(engine, "UPDATE statscache_bus SET heard = '{(,2024-01-01),[2024-01-02,)}' WHERE bus = 'amqp/q-3'")
    join(engine, "q", queues(1, 2, 3), LATENESS)
    [(first, last)] = awaited(engine, "q-2")
    assert is_about(first, -LATENESS)
    assert last is None
    old, new = awaited(engine, "q-3")
    assert None not in old
    assert old[1] - old[0] == 86_400
    assert is_about(new[0], -LATENESS)
    assert new[1] is None
    assert not any(member.retired for member in found(engine).values())


def test_where_no_daemon_has_run_no_queue_is_known(engine: Engine) -> None:
    """And looking makes no table."""
    assert found(engine) == {}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('statscache_bus')")) is None
