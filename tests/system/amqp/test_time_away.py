"""Time in which nobody consumed is covered, where the queue has kept all of it; where that is not sure it is a gap."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from tests.support.consumer import Consumer
from tests.support.hub import volume, wait_for
from tests.support.rabbitmq import Broker, Delivery, Publisher

Start = Callable[..., Consumer]
KEEPING = {
    "statscache.amqp.bounded": False,
    "statscache.coverage.lateness": 1,
    "statscache.producer.frequency": 0.2,
    "statscache.plugins.disabled": ["releng"],
}
SPANS = text(
    "SELECT extract(epoch FROM lower(span))::float8, extract(epoch FROM upper(span))::float8 "
    "FROM statscache_coverage, unnest(covered) AS span WHERE plugin = 'volume-1s' ORDER BY 1"
)


class Life:
    """A daemon's life on a queue: it is started, sends come, it goes, and comes again."""

    def __init__(self, start: Start, publisher: Publisher, engine: Engine) -> None:
        self._start = start
        self._publisher = publisher
        self._engine = engine
        self._numbers = itertools.count(1)
        self.sent = 0

    def begin(self, **settings: object) -> Consumer:
        """Start a daemon, and let it cover some time."""
        consumer = self._start(
            {**KEEPING, **{f"statscache.{name}": value for name, value in settings.items()}}
        )
        consumer.wait_until_running()
        self.cover()
        return consumer

    def send(self, seconds: float = 2.0) -> None:
        """Send messages for a while, each with its time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._publisher.send([Delivery(next(self._numbers))])
            self.sent += 1
            time.sleep(0.1)

    def cover(self) -> None:
        """Wait until what is sent now is covered."""
        self.send(0.1)
        now = time.time()
        wait_for("the time to be covered", lambda: (spans := self.spans()) and spans[-1][1] > now + 1)

    def spans(self) -> list[tuple[float, float]]:
        """Return what is covered."""
        with self._engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(SPANS)]

    def settle(self) -> list[tuple[float, float]]:
        """Wait until all that was sent counts and a later time is covered; return what is covered."""
        self.cover()
        wait_for("all to be counted", lambda: volume(self._engine) == self.sent)
        return self.spans()


@pytest.fixture
def life(start: Start, publisher: Publisher, engine: Engine) -> Life:
    return Life(start, publisher, engine)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_leaves_no_gap(number: int, life: Life) -> None:
    """Neither an orderly one nor a kill: what was sent meanwhile lay in the queue."""
    consumer = life.begin()
    life.send()
    consumer.end(number)
    life.send()
    life.begin()
    assert len(life.settle()) == 1


def test_a_lost_connection_leaves_no_gap(life: Life, broker: Broker) -> None:
    """The daemon goes on where it was."""
    consumer = life.begin()
    broker.ctl("close_all_connections", "a test")
    wait_for("the connection to be lost", lambda: "lost the connection" in consumer.log)
    life.send()
    assert len(life.settle()) == 1


def test_by_default_time_away_is_a_gap(life: Life) -> None:
    """A policy may give the queue a limit, which nobody can see."""
    life.begin(**{"amqp.bounded": True}).end()
    life.send()
    life.begin(**{"amqp.bounded": True})
    assert len(life.settle()) == 2


@pytest.mark.parametrize("away", [True, False])
def test_a_queue_that_was_made_anew_has_a_gap(away: bool, life: Life, broker: Broker, queue: str) -> None:
    """It has the same name, and what it held is gone, whether the daemon is there or away."""
    consumer = life.begin()
    if away:
        consumer.end()
    with broker.channel() as channel:
        channel.queue_delete(queue)
    if away:
        with broker.channel() as channel:
            arguments = {"x-queue-type": "quorum"}
            channel.queue_declare(queue, durable=True, arguments=arguments)
        life.begin()
    wait_for("the end of a gap", lambda: len(life.spans()) == 2)


def test_a_plugin_that_is_new_has_missed_what_was_acknowledged(life: Life) -> None:
    """Nobody has counted it for that."""
    life.begin(**{"plugins.disabled": ["releng", "volume_by_category"]}).end()
    life.begin()
    assert len(life.settle()) == 2


@pytest.mark.parametrize(
    "change", ["spool = 'another'", "written = written - interval '1 second'"], ids=["another", "behind"]
)
def test_what_was_acknowledged_must_be_there(change: str, life: Life, engine: Engine) -> None:
    """A database that has lost the last commits, or another daemon that has consumed since, leave a gap."""
    life.begin().end()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE statscache_consumer SET {change}"))
    consumer = life.begin()
    assert len(life.settle()) == 2
    assert "the time since the last stop is not covered" in consumer.log
