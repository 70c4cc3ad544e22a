"""With several buses a time is complete when all of them have brought it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.bus.interface import AMQP, FEDMSG
from statscache.daemon import Daemon
from statscache.database.lock import counting
from statscache.span import Span
from statscache.store.buses import Buses

#: Later than any bus of these tests is first listened to.
NOW = int(time.time()) + 86_400


def claim(engine: Engine, buses: Buses, start: int, stop: int) -> list[Span]:
    """Return what of a span may be covered, in seconds from now on."""
    with counting(engine) as connection:
        spans = buses.limit(connection, Span(NOW + start, NOW + stop))
    return [Span(span.start - NOW, span.stop - NOW) for span in spans]


@pytest.fixture
def both(daemon: Daemon) -> Callable[..., list[Buses]]:
    """Makes what daemons on fedmsg and on AMQP have, which both are listened to; takes settings."""

    def make(alike: bool = False) -> list[Buses]:
        found = [Buses(name, alike) for name in (FEDMSG, AMQP)]
        found[1].open(daemon.engine)
        return found

    return make


def test_a_single_bus_covers_what_it_has_heard(daemon: Daemon) -> None:
    """And nothing is kept of it."""
    buses = Buses(FEDMSG, False)
    assert claim(daemon.engine, buses, 0, 60) == [Span(0, 60)]
    with counting(daemon.engine) as connection:
        assert buses.limit(connection, None) == []
        assert connection.scalar(text("SELECT count(*) FROM statscache_bus WHERE upper(heard) > now()")) == 0


def test_a_time_is_complete_when_the_last_of_two_buses_has_heard_it(
    daemon: Daemon, both: Callable[..., list[Buses]]
) -> None:
    """Whichever is the last, in as many spans as there are; what was before the second came is the first's alone."""
    fedmsg, amqp = both()
    engine = daemon.engine
    assert claim(engine, fedmsg, -90_000, -89_900) == [Span(-90_000, -89_900)]
    assert claim(engine, fedmsg, 10, 60) == []
    assert claim(engine, amqp, 20, 30) == [Span(20, 30)]
    assert claim(engine, amqp, 30, 40) == [Span(30, 40)]
    assert claim(engine, amqp, 50, 100) == [Span(50, 60)]
    assert claim(engine, fedmsg, 60, 120) == [Span(60, 100)]
    assert claim(engine, fedmsg, 15, 110) == [Span(20, 40), Span(50, 100)]


def test_what_is_lost_of_a_bus_it_has_not_brought(daemon: Daemon, both: Callable[..., list[Buses]]) -> None:
    """Though it had heard that time before."""
    fedmsg, amqp = both()
    claim(daemon.engine, fedmsg, 10, 60)
    with counting(daemon.engine) as connection:
        fedmsg.lose(connection, Span(NOW + 20, NOW + 21))
    assert claim(daemon.engine, amqp, 10, 60) == [Span(10, 20), Span(21, 60)]


def test_buses_that_carry_the_same_need_not_both_have_heard(
    daemon: Daemon, both: Callable[..., list[Buses]]
) -> None:
    """If a setting says so."""
    fedmsg, amqp = both(alike=True)
    assert claim(daemon.engine, fedmsg, 10, 60) == [Span(10, 60)]
    assert claim(daemon.engine, amqp, 20, 70) == [Span(20, 70)]


def test_a_bus_whose_row_is_deleted_counts_no_more(daemon: Daemon, both: Callable[..., list[Buses]]) -> None:
    """As an operator does who has left it."""
    fedmsg, amqp = both()
    assert claim(daemon.engine, amqp, 10, 60) == []
    with daemon.engine.begin() as connection:
        connection.execute(text("DELETE FROM statscache_bus WHERE bus = 'fedmsg'"))
    assert claim(daemon.engine, amqp, 60, 90) == [Span(60, 90)]
    assert claim(daemon.engine, fedmsg, 60, 70) == []  # it is listened to after all


def test_a_daemon_lets_the_others_know_of_its_bus(daemon: Daemon, config: dict[str, Any]) -> None:
    """From its start on: until then it has missed nothing."""
    with daemon.engine.connect() as connection:
        found = connection.execute(text("SELECT bus, heard @> now() - interval '1 hour' FROM statscache_bus"))
        assert found.all() == [(FEDMSG, True)]
