"""With several buses, or queues that share the messages of one, a time is complete when all of them have brought it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import pytest
from sqlalchemy import text

from statscache.bus.interface import AMQP, FEDMSG
from statscache.daemon import Daemon
from statscache.database.lock import counting
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.buses import Buses
from statscache.store.coverage import cover, covered
from statscache.store.gaps import record_gap

#: Later than any bus of these tests is first listened to, as their rows are made to say.
NOW = int(time.time()) - 86_400
Make = Callable[..., list[Buses]]


class Claims:
    """What daemons of the test's own claim for plugins.

    :param daemon: its database is used, and its plugins
    """

    def __init__(self, daemon: Daemon) -> None:
        self.engine = daemon.engine
        self.plugins = sorted(daemon.writer.plugins)
        self.one = self.plugins[0]

    def claim(self, buses: Buses, start: int, stop: int, plugins: Collection[str] = ()) -> list[Span]:
        """Claim a span for plugins, all if none is named; return what the first has covered since NOW, in seconds."""
        with counting(self.engine) as connection:
            chosen, span = plugins or self.plugins, Span(NOW + start, NOW + stop)
            buses.note(connection, chosen, span)
            cover(connection, chosen, span, within=buses.common())
        return self.covered()

    def covered(self, plugin: str = "") -> list[Span]:
        plugin = plugin or self.one
        with counting(self.engine) as connection:
            spans = covered(connection, [plugin], Span(NOW - 100_000, NOW + 86_400))[plugin]
        return [Span(span.start - NOW, span.stop - NOW) for span in spans]


@pytest.fixture
def claims(daemon: Daemon) -> Claims:
    return Claims(daemon)


@pytest.fixture
def make(daemon: Daemon) -> Make:
    """Makes what daemons on some sources have, all of which are listened to since NOW; takes buses, or queues."""

    def make(*sources: str, alike: bool = False) -> list[Buses]:
        names = [source.split("/") for source in sources]
        found = [Buses(name, alike, queue) for name, *queue in names]
        with daemon.engine.begin() as connection:
            connection.execute(text("DELETE FROM statscache_bus"))
            for source in sources:
                row = "INSERT INTO statscache_bus VALUES (:bus, tstzmultirange(tstzrange(NULL, to_timestamp(:now))))"
                connection.execute(text(row), {"bus": source, "now": NOW})
        for buses in found:
            buses.open(daemon.engine)
        return found

    return make


def test_a_single_bus_covers_what_it_has_heard(claims: Claims, make: Make) -> None:
    """And nothing is kept of it."""
    [buses] = make(FEDMSG)
    assert claims.claim(buses, 0, 60) == [Span(0, 60)]
    with claims.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM statscache_heard")) == 0


@pytest.mark.parametrize("sources", [(FEDMSG, AMQP), ("amqp/one", "amqp/two")])
def test_a_time_is_complete_when_the_last_of_two_has_heard_it(
    sources: tuple[str, str], claims: Claims, make: Make
) -> None:
    """Whichever is the last, in as many spans as there are; what was before the second came is the first's alone.

    Queues that share began together, and what was before is nobody's.
    """
    one, two = make(*sources)
    before = [] if "/" in sources[0] else [Span(-90_000, -89_900)]
    assert claims.claim(one, -90_000, -89_900) == before
    assert claims.claim(one, 10, 60) == before
    assert claims.claim(two, 20, 30) == [*before, Span(20, 30)]
    assert claims.claim(two, 30, 40) == [*before, Span(20, 40)]
    assert claims.claim(two, 50, 100) == [*before, Span(20, 40), Span(50, 60)]
    assert claims.claim(one, 60, 120) == [*before, Span(20, 40), Span(50, 100)]


@pytest.mark.parametrize("others", [(), ("amqp/two",)])
def test_a_queue_covers_no_time_before_it_gets_its_share(
    others: tuple[str, ...], claims: Claims, make: Make
) -> None:
    """A daemon may consume it before what it is to get is bound, and what is published then goes nowhere."""
    one, *two = make("amqp/one", *others)
    with claims.engine.begin() as connection:
        connection.execute(text("UPDATE statscache_bus SET heard = '{}'"))
    for buses in (one, *two):
        assert claims.claim(buses, 0, 60) == []
    since = "tstzmultirange(tstzrange(NULL, to_timestamp(:since)))"
    with claims.engine.begin() as connection:
        connection.execute(text(f"UPDATE statscache_bus SET heard = {since}"), {"since": NOW + 80})
    for buses in (one, *two):
        claims.claim(buses, 60, 100)
    assert claims.covered() == [Span(80, 100)]


def test_what_one_daemon_has_no_plugin_for_is_complete_for_others_alone(claims: Claims, make: Make) -> None:
    """A plugin that only one of two daemons runs lacks what the other's queue brings."""
    one, two = make("amqp/one", "amqp/two")
    claims.claim(one, 10, 60)
    assert claims.claim(two, 10, 60, claims.plugins[1:]) == []
    assert claims.covered(claims.plugins[1]) == [Span(10, 60)]


def test_a_daemon_of_several_queues_has_heard_them_all(claims: Claims, make: Make) -> None:
    """It reports what it has heard of all its queues together."""
    make("amqp/one", "amqp/two", "amqp/three")
    pair, third = Buses(AMQP, False, ["one", "two"]), Buses(AMQP, False, ["three"])
    for buses in (pair, third):
        buses.open(claims.engine)
    assert claims.claim(pair, 10, 60) == []
    assert claims.claim(third, 20, 70) == [Span(20, 60)]


def test_a_queue_that_shares_with_no_other_is_the_bus(claims: Claims, make: Make) -> None:
    """As with a single daemon, whatever its queue is called."""
    make(FEDMSG)
    buses = Buses(AMQP, False, ["mine"])
    buses.open(claims.engine)
    with claims.engine.connect() as connection:
        found = connection.scalars(text("SELECT bus FROM statscache_bus ORDER BY bus")).all()
    assert found == [AMQP, FEDMSG]


def test_what_is_lost_has_nobody_brought(claims: Claims, make: Make) -> None:
    """Though a source had heard that time before, and the other hears it later."""
    one, two = make(FEDMSG, AMQP)
    claims.claim(one, 10, 60)
    with counting(claims.engine) as connection:
        record_gap(connection, claims.plugins, Loss(1, NOW + 20, NOW + 20, "a test"))
    assert claims.claim(two, 10, 60) == [Span(10, 20), Span(21, 60)]


def test_buses_that_carry_the_same_need_not_both_have_heard(claims: Claims, make: Make) -> None:
    """If a setting says so; but all queues of one of them must have."""
    fedmsg, one, two = make(FEDMSG, "amqp/one", "amqp/two", alike=True)
    assert claims.claim(fedmsg, 10, 60) == [Span(10, 60)]
    assert claims.claim(one, 20, 80) == [Span(10, 60)]
    assert claims.claim(two, 20, 70) == [Span(10, 70)]


def test_a_bus_whose_row_is_deleted_counts_no_more(claims: Claims, make: Make) -> None:
    """As an operator does who has left it."""
    fedmsg, amqp = make(FEDMSG, AMQP)
    assert claims.claim(amqp, 10, 60) == []
    with claims.engine.begin() as connection:
        connection.execute(text("DELETE FROM statscache_bus WHERE bus = 'fedmsg'"))
    assert claims.claim(amqp, 60, 90) == [Span(60, 90)]
    assert claims.claim(fedmsg, 90, 100) == [Span(60, 90)]  # it is listened to after all
    assert claims.claim(amqp, 95, 110) == [Span(60, 90), Span(95, 100)]


def test_a_clock_that_was_ahead_makes_nothing_heard(claims: Claims, make: Make) -> None:
    """What has not come yet by the database's clock nobody has heard."""
    one, two = make(FEDMSG, AMQP)
    claims.claim(one, 86_390, 90_000)
    with claims.engine.connect() as connection:
        heard = text("SELECT bool_and(upper(heard) <= now()) FROM statscache_heard")
        assert connection.scalar(heard) is True
    del two


def test_a_daemon_lets_the_others_know_of_its_bus(daemon: Daemon, config: dict[str, Any]) -> None:
    """From its start on: until then it has missed nothing."""
    with daemon.engine.connect() as connection:
        found = connection.execute(text("SELECT bus, heard @> now() - interval '1 hour' FROM statscache_bus"))
        assert found.all() == [(FEDMSG, True)]
