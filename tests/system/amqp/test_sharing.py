"""Daemons that share the messages of a real broker, and one that stands by for another."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from sqlalchemy import Engine

from tests.support.consumer import Consumer, fedora_messaging, shared_out
from tests.support.health import get, ready, samples, url_of
from tests.support.hub import volume, wait_for
from tests.support.place import Place
from tests.support.rabbitmq import Broker, Delivery, Publisher
from tests.support.sql import scalar

Topology = Callable[..., tuple[int, str, str]]
Share = Callable[..., Consumer]
ACCEPTED = ("statscache_messages_accepted_total", ())


@pytest.fixture
def share(start_consumer: Callable[..., Consumer], broker: Broker, exchange: str, shares: str) -> Share:
    """Starts a daemon on queues that share messages, which are there; takes their numbers and settings."""

    def start(*numbers: int, **settings: float) -> Consumer:
        named = {f"statscache.{key.replace('_', '.')}": value for key, value in settings.items()}
        queues = {"statscache.amqp.queues": [f"{shares}-{number}" for number in numbers]}
        return start_consumer(shared_out(broker.url, exchange), {**queues, **named})

    return start


def counts(engine: Engine, messages: int) -> bool:
    """Return whether so many messages have been counted."""
    return volume(engine) == messages


def stands_by(consumer: Consumer) -> bool:
    """Return whether a daemon says so, and is ready."""
    return ready(consumer) == (200, "standby", "")


def test_daemons_that_share_queues_count_everything_once(
    topology: Topology, share: Share, publisher: Publisher, broker: Broker, shares: str, engine: Engine
) -> None:
    """What is in the queue of one that is killed waits for it, and the other goes on."""
    assert topology("--queues", "2", "--apply")[0] == 0
    first, second = share(1), share(2)
    for consumer in (first, second):
        consumer.wait_until_running()
    publisher.send(map(Delivery, range(1, 1001)))
    wait_for("all to be counted", partial(counts, engine, 1000))
    shared = [samples(consumer)[ACCEPTED] for consumer in (first, second)]
    assert sum(shared) == 1000
    assert min(shared) > 350
    second.end(signal.SIGKILL)
    publisher.send(map(Delivery, range(1001, 2001)))
    wait_for("its queue to wait", lambda: broker.waiting(f"{shares}-2") > 350)
    # Markers wait, too.
    wait_for("the others to be counted", lambda: volume(engine) + broker.waiting(f"{shares}-2") >= 2000)
    second = share(2)
    wait_for("all to be counted", partial(counts, engine, 2000))
    wait_for("the queue to be empty", lambda: broker.waiting(f"{shares}-2") == 0)
    assert "Traceback" not in first.log + second.log


def test_who_stands_by_says_so_and_takes_over(
    topology: Topology, share: Share, publisher: Publisher, broker: Broker, engine: Engine, there: Place
) -> None:
    """Nothing is lost or doubled of what the killed one had taken and not committed."""
    assert topology("--queues", "1", "--apply")[0] == 0
    active = share(1, producer_frequency=3)
    active.wait_until_running()
    publisher.send([Delivery(1)])
    wait_for("it to be counted", partial(counts, engine, 1))
    standby = share(1)
    wait_for("it to stand by", partial(stands_by, standby))
    assert ready(active)[:2] == (200, "ready")
    body = json.loads(get(f"{url_of(standby)}/ready")[1])
    [said] = body["standby"]
    assert said.startswith("another daemon consumes shares-")
    there.configure({"statscache.monitoring.address": url_of(standby).removeprefix("http://")})
    code, output, errors = there.run("status")
    assert (code, errors) == (0, "")
    assert output.splitlines()[0] == "standby"
    assert said in output
    [metric] = [value for (name, _), value in samples(standby).items() if name == "statscache_bus_standby"]
    assert metric == 1
    publisher.send(map(Delivery, range(2, 1001)))
    wait_for("all to come", lambda: samples(active)[ACCEPTED] == 1000)
    assert samples(standby)[ACCEPTED] == 0
    active.end(signal.SIGKILL)
    publisher.send(map(Delivery, range(1001, 1501)))
    wait_for("it to be noticed", lambda: "takes over shares-" in standby.log, 10.0)
    wait_for("all to be counted", partial(counts, engine, 1500))
    wait_for("it to be ready", lambda: ready(standby) == (200, "ready", ""))
    assert standby.log.count("standby: another daemon consumes shares-") == 1
    again = share(1)
    wait_for("the other to stand by", partial(stands_by, again))
    assert volume(engine) == 1500
    assert "Traceback" not in standby.log + again.log
    assert "missing" not in standby.log + again.log


def test_who_has_taken_over_covers_time(
    start_consumer: Callable[..., Consumer], broker: Broker, queue: str, exchange: str, engine: Engine
) -> None:
    """Of a quiet queue, too. A queue that is configured may be one of one consumer at a time as well."""
    messaging = fedora_messaging(broker.url, queue, exchange).replace(
        '"quorum"', '"quorum", x-single-active-consumer = true'
    )
    settings = {"statscache.coverage.lateness": 1, "statscache.producer.frequency": 0.2}
    active = start_consumer(messaging, settings)
    query = "SELECT extract(epoch FROM min(upper(covered)))::float8 FROM statscache_coverage"
    active.wait_until_running()
    wait_for("some time to be covered", lambda: scalar(engine, query))
    standby = start_consumer(messaging, settings)
    wait_for("it to stand by", partial(stands_by, standby))
    active.end(signal.SIGKILL)
    gone = scalar(engine, "SELECT extract(epoch FROM now())::float8")
    wait_for("time after that to be covered", lambda: scalar(engine, query) > gone + 3)
    between = f"SELECT bool_or(covered @> to_timestamp({gone} + 1)) FROM statscache_coverage"
    assert scalar(engine, between) is False


def test_who_shares_out_its_queues_with_another_leaves_them_to_it(
    topology: Topology, share: Share, broker: Broker, shares: str
) -> None:
    """Until then it says that it has only some of them."""
    assert topology("--queues", "2", "--apply")[0] == 0
    with broker.channel() as channel:
        channel.basic_consume(f"{shares}-2", lambda *delivery: None)
        split = share(1, 2)
        wait_for("it to be said", lambda: ready(split)[1] == "degraded")
        assert (
            f"another daemon consumes some of our queues, and no time is covered: {shares}-2"
            in ready(split)[2]
        )
        channel.basic_consume(f"{shares}-1", lambda *delivery: None)

        def leaves() -> bool:
            channel.connection.process_data_events(0.1)
            return stands_by(split)

        wait_for("all to be left", leaves, 60.0)
    wait_for("them to be taken over", lambda: split.log.count("takes over ") == 2)
    wait_for("it to be ready", lambda: ready(split) == (200, "ready", ""))


def test_queues_come_and_go_while_messages_flow(
    topology: Topology, share: Share, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """Each message counts once, also what is left in a queue that gets nothing more."""
    assert topology("--queues", "2", "--apply")[0] == 0
    share(1, 2).wait_until_running()
    over = threading.Event()
    sent = [0]

    def publish() -> None:
        for start in count(1, 20):
            publisher.send(map(Delivery, range(start, start + 20)))
            sent[0] += 20
            if over.is_set():
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        assert topology("--queues", "4", "--apply")[0] == 0
        others = share(3, 4)
        others.wait_until_running()
        wait_for("the new ones to get some", lambda: samples(others)[ACCEPTED] > 100)
        assert topology("--retire", f"{shares}-4", "--queues", "4", "--apply")[0] == 0
        before = sent[0]
        wait_for("some more", lambda: sent[0] > before + 100)
    finally:
        over.set()
        thread.join()
    wait_for("all to be counted", partial(counts, engine, sent[0]))


@pytest.mark.parametrize("known", ["by its name alone", "as what it is not"])
def test_a_queue_that_is_not_of_one_consumer_at_a_time_is_not_taken_for_one(
    known: str, start_consumer: Callable[..., Consumer], broker: Broker, queue: str, exchange: str
) -> None:
    """Of such a one a marker says nothing while others consume it, too, and the daemon does not stand by."""
    with broker.channel() as channel:
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue, exchange, "#")
        messaging = shared_out(broker.url, exchange)
        if known != "by its name alone":
            messaging = fedora_messaging(broker.url, queue, exchange, "passive_declares = true").replace(
                '"quorum"', '"quorum", x-single-active-consumer = true'
            )
        channel.basic_consume(queue, lambda *delivery: None, auto_ack=True)
        consumer = start_consumer(messaging, {"statscache.amqp.queues": [queue]})

        def is_said() -> bool:
            channel.connection.process_data_events(0.1)
            return "others consume our queues, too" in consumer.log

        wait_for("it to be said", is_said)
        assert "standby" not in consumer.log
