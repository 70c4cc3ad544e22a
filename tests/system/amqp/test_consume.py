"""`statscache consume` on a real broker: what is sent counts once, and is acknowledged when it is committed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support.consumer import Consumer, fedora_messaging
from tests.support.gate import Gate
from tests.support.health import get, ready, samples, url_of, wait_for_ready
from tests.support.hub import volume, wait_for
from tests.support.loaded import NOTE, of_fedmsg, with_configuration
from tests.support.place import Place
from tests.support.rabbitmq import Broker, Delivery, Publisher

Start = Callable[..., Consumer]


def counts(engine: Engine, messages: int) -> bool:
    """Return whether so many messages have been counted."""
    return volume(engine) == messages


def test_what_is_sent_counts_and_leaves_the_queue(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine
) -> None:
    """Also what was sent while nobody consumed; and the end is clean."""
    consumer = start()
    consumer.wait_until_running()
    publisher.send(map(Delivery, range(1, 2001)))
    wait_for("all to be counted", partial(counts, engine, 2000))
    wait_for_ready(consumer)
    assert consumer.end()[0] == 0
    assert broker.waiting(queue) == 0
    publisher.send(map(Delivery, range(2001, 2501)))
    start().wait_until_running()
    wait_for("all to be counted", partial(counts, engine, 2500))
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)
    assert "Traceback" not in consumer.log


def test_a_killed_process_counts_nothing_twice(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine
) -> None:
    """What it had taken lies in its spool and comes again from the broker, and each message counts once."""
    sent = 0
    for _ in range(3):
        consumer = start({"statscache.producer.frequency": 3})
        consumer.wait_until_running()
        publisher.send(map(Delivery, range(sent + 1, sent + 501)))
        sent += 500
        wait_for("all to come", lambda: samples(consumer)[("statscache_messages_accepted_total", ())] >= 500)  # noqa: B023
        consumer.end(signal.SIGKILL)
    start().wait_until_running()
    wait_for("all to be counted", partial(counts, engine, sent))
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)
    assert volume(engine) == sent


def test_poison_is_rejected_by_reason_and_acknowledged(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine
) -> None:
    """It never comes again, and what comes after it counts."""
    consumer = start()
    consumer.wait_until_running()
    bad = [Delivery(number) for number in range(1, 7)]
    bad[0].payload = b"{"
    bad[1].payload = b"\xff\xfe"
    bad[2].payload = b'"' + b"x" * (20 << 20) + b'"'
    bad[3].headers = None
    bad[4].headers = {"sent-at": "yesterday"}
    bad[5].headers = {}
    publisher.send([*bad, Delivery(7)])
    wait_for("the good one to be counted", partial(counts, engine, 1))
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)
    assert consumer.log.count("rejected a message") == len(bad)
    assert "Traceback" not in consumer.log


def test_while_the_database_is_away_the_broker_keeps_what_is_above_the_prefetch(
    start_consumer: Start,
    start: Start,
    publisher: Publisher,
    broker: Broker,
    queue: str,
    gate: Gate,
    engine: Engine,
) -> None:
    """Reading stops there, and goes on once the database is back."""
    consumer = start({"statscache.amqp.prefetch": 100, "statscache.sqlalchemy.uri": gate.url})
    consumer.wait_until_running()
    publisher.send(map(Delivery, range(1, 11)))
    wait_for("all to be counted", partial(counts, engine, 10))
    gate.shut()
    publisher.send(map(Delivery, range(11, 1011)))
    wait_for("the database to be missed", lambda: "database" in ready(consumer)[2], 20.0)
    assert broker.waiting(queue) >= 1000
    assert samples(consumer)[("statscache_messages_accepted_total", ())] <= 10 + 100
    gate.open()
    wait_for("all to be counted", partial(counts, engine, 1010))
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)


def test_a_lost_connection_is_made_again_and_nothing_is_spooled_twice(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine
) -> None:
    """The broker sends again what was not acknowledged, of which what lies in the spool is known."""
    consumer = start({"statscache.producer.frequency": 6})
    consumer.wait_until_running()
    publisher.send(map(Delivery, range(1, 301)))
    accepted = ("statscache_messages_accepted_total", ())
    wait_for("all to come", lambda: samples(consumer)[accepted] == 300)
    broker.ctl("close_all_connections", "test")
    wait_for("the loss to be noticed", lambda: "lost the connection" in consumer.log)
    wait_for("another connection", lambda: consumer.log.count("connected to ") == 2)
    publisher.send(map(Delivery, range(301, 401)))
    wait_for("all to be counted", partial(counts, engine, 400))
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)
    assert samples(consumer)[accepted] == 400


def test_a_deleted_queue_is_made_again(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine
) -> None:
    """And from then on counts again."""
    consumer = start()
    consumer.wait_until_running()
    with broker.channel() as channel:
        channel.queue_delete(queue)
    wait_for("another connection", lambda: consumer.log.count("connected to ") == 2)
    publisher.send(map(Delivery, range(1, 11)))
    wait_for("all to be counted", partial(counts, engine, 10))


def test_a_full_spool_leaves_messages_to_the_broker(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine, gate: Gate
) -> None:
    """None is lost: they come again when there is room."""
    consumer = start({"statscache.spool.limit": 20_000, "statscache.sqlalchemy.uri": gate.url})
    consumer.wait_until_running()
    gate.shut()
    publisher.send(map(Delivery, range(1, 501)))
    wait_for("the room to be used up", lambda: "messages stay in their queue" in consumer.log)
    gate.open()
    wait_for("all to be counted", partial(counts, engine, 500), 60.0)
    wait_for("the queue to be empty", lambda: broker.waiting(queue) == 0)
    assert "lost a message" not in consumer.log
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM statscache_gap")) == 0


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("guest:wrong@", "does not know the user guest"),
        ("guest:guest@", "does not have it"),
    ],
)
def test_what_the_broker_refuses_ends_the_start_with_one_line(
    start_consumer: Start, broker: Broker, broken: str, said: str
) -> None:
    """A wrong password, and a queue that is not there and may not be made."""
    url = broker.url.replace("guest:guest@", broken)
    messaging = f'amqp_url = "{url}"\npassive_declares = true\n[queues.nowhere]\nbindings = []\n'
    consumer = start_consumer(messaging.replace("bindings = []\n", ""))
    assert consumer.wait() == 1
    last = consumer.log.strip().splitlines()[-1]
    assert last.startswith("statscache: the broker 127.0.0.1:")
    assert said in last
    assert "Traceback" not in consumer.log


def test_the_time_that_was_heard_is_covered(
    start: Start, publisher: Publisher, broker: Broker, engine: Engine
) -> None:
    """Markers show that all has come, of a quiet queue and of one that is never empty."""
    consumer = start({"statscache.coverage.lateness": 1, "statscache.producer.frequency": 0.2})
    consumer.wait_until_running()
    query = "SELECT extract(epoch FROM max(upper(covered)) - min(lower(covered))) FROM statscache_coverage"

    def covered() -> float:
        publisher.send([Delivery(int.from_bytes(os.urandom(8), "big"))])
        with engine.connect() as connection:
            return float(connection.scalar(text(query)) or 0)

    wait_for("some time to be covered", lambda: covered() > 3)


def test_purged_markers_begin_a_new_span(
    start: Start, publisher: Publisher, broker: Broker, queue: str, engine: Engine, gate: Gate
) -> None:
    """What was purged is not covered."""
    consumer = start(
        {
            "statscache.coverage.lateness": 1,
            "statscache.amqp.prefetch": 1,
            "statscache.sqlalchemy.uri": gate.url,
        }
    )
    consumer.wait_until_running()
    publisher.send([Delivery(1)])
    wait_for("it to be counted", partial(counts, engine, 1))
    gate.shut()
    publisher.send(map(Delivery, range(2, 200)))
    with broker.channel() as channel:
        wait_for(
            "markers to purge",
            lambda: channel.queue_declare(queue, passive=True).method.message_count > 201,
        )
        channel.queue_purge(queue)
    gate.open()
    wait_for(
        "the purge to be noticed", lambda: "markers of" in consumer.log and "are missing" in consumer.log
    )


def test_a_broker_without_room_is_relieved(own_broker: Broker, start_consumer: Start, engine: Engine) -> None:
    """It blocks those who publish, and so do we, but it goes on to take acknowledgements: its queues grow shorter."""
    consumer = start_consumer(fedora_messaging(own_broker.url), {"statscache.amqp.prefetch": 100})
    consumer.wait_until_running()
    consumer.process.send_signal(signal.SIGSTOP)
    Publisher(own_broker).send(map(Delivery, range(1, 1001)))
    own_broker.ctl("set_vm_memory_high_watermark", "absolute", "1000000")
    consumer.process.send_signal(signal.SIGCONT)
    wait_for("it to be said", lambda: "takes no markers for now" in consumer.log)
    wait_for("all to be counted", partial(counts, engine, 1000))
    assert consumer.end()[0] == 0
    assert start_consumer(fedora_messaging(own_broker.url)).wait_until_running()
    own_broker.ctl("set_vm_memory_high_watermark", "0.4")


def test_a_full_queue_that_takes_no_more_is_emptied(
    start_consumer: Start, publisher: Publisher, broker: Broker, queue: str, exchange: str, engine: Engine
) -> None:
    """Not even a marker gets into it, as long as nobody consumes."""
    limits = 'x-overflow = "reject-publish", x-max-length = 5'
    with broker.channel() as channel:
        arguments = {"x-overflow": "reject-publish", "x-max-length": 5}
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_bind(queue, exchange, "#")
    publisher.send(map(Delivery, range(1, 6)))
    messaging = fedora_messaging(broker.url, queue, exchange)
    start_consumer(messaging.replace('x-queue-type = "quorum"', limits)).wait_until_running()
    wait_for("all to be counted", partial(counts, engine, 5))


def test_without_the_connection_for_markers_both_are_made_again(
    start: Start, publisher: Publisher, broker: Broker, engine: Engine
) -> None:
    """Else no time would ever be covered again."""
    consumer = start()
    consumer.wait_until_running()
    connections = broker.ctl("list_connections", "--no-table-headers", "pid", "channels").splitlines()
    assert len(connections) == 2
    broker.ctl("close_connection", connections[-1].split("\t")[0], "test")
    wait_for("another connection", lambda: consumer.log.count("connected to ") == 2)
    publisher.send(map(Delivery, range(1, 11)))
    wait_for("all to be counted", partial(counts, engine, 10))
    assert "Traceback" not in consumer.log


def test_a_queue_that_somebody_has_for_himself_ends_the_start_with_one_line(
    start_consumer: Start, broker: Broker, queue: str
) -> None:
    """And nobody is told before that it is connected."""
    messaging = fedora_messaging(broker.url, queue).replace('x-queue-type = "quorum"', "")
    with broker.channel() as channel:
        channel.queue_declare(queue, durable=True)
        channel.basic_consume(queue, lambda *delivery: None, exclusive=True)
        consumer = start_consumer(messaging)
        assert consumer.wait() == 1
    last = consumer.log.strip().splitlines()[-1]
    assert last.startswith("statscache: the broker 127.0.0.1:")
    assert "in exclusive use" in last
    assert "connected to" not in consumer.log


def test_how_many_messages_wait_is_told_of_each_queue(
    start: Start,
    publisher: Publisher,
    broker: Broker,
    queue: str,
    engine: Engine,
    gate: Gate,
    address: str,
) -> None:
    """While the database is away a queue grows, and the metrics, /ready and the command say by how much: of messages,
    for markers are no more than what is delivered. They follow the queue when it grows shorter."""
    settings = {"statscache.amqp.prefetch": 100, "statscache.monitoring.address": address}
    consumer = start({**settings, "statscache.sqlalchemy.uri": gate.url})
    consumer.wait_until_running()
    name = f"{queue} of 127.0.0.1:{broker.port}"
    waiting = ("statscache_bus_queue_messages", (name,))
    publisher.send(map(Delivery, range(1, 11)))
    wait_for("all to be counted", partial(counts, engine, 10))
    wait_for("none to wait", lambda: samples(consumer).get(waiting) == 0)
    gate.shut()
    publisher.send(map(Delivery, range(11, 2011)))
    wait_for("the database to be missed", lambda: "database" in ready(consumer)[2], 20.0)
    wait_for("the others to wait", lambda: 1890 <= samples(consumer).get(waiting, 0) <= 1900)
    wait_for("some markers to wait with them", lambda: in_queue(broker, queue) > 1910)
    assert 1890 <= samples(consumer)[waiting] <= 1900
    assert (
        f'"waiting": ["1,{samples(consumer)[waiting] - 1000:.0f} messages wait in {name}"]'
        in (get(f"{url_of(consumer)}/ready")[1])
    )
    assert re.search(
        rf"^broker +1,[89]\d\d messages wait in {name}$", Place(consumer.directory).run("status")[1], re.M
    )
    gate.open()
    wait_for("all to be counted", partial(counts, engine, 2010))
    wait_for("none to wait", lambda: samples(consumer).get(waiting) == 0)
    broker.ctl("close_all_connections", "test")
    wait_for("it not to be known", lambda: waiting not in samples(consumer))
    wait_for("it to be known again", lambda: waiting in samples(consumer))


def in_queue(broker: Broker, queue: str) -> int:
    """Return how many messages and markers are in a queue and not delivered."""
    with broker.channel() as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


def test_a_process_loads_no_more_of_fedmsg_than_the_configuration_needs(
    start: Start, publisher: Publisher, engine: Engine, tmp_path: Path
) -> None:
    """The processors of fedmsg.meta are not asked for users of messages whose headers name somebody.

    Who did it no header says, so the plugins that ask for that are left out.
    """
    (tmp_path / "sitecustomize.py").write_text(NOTE, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    consumer = start({"statscache.plugins.disabled": ["contributions", "newcomers"]}, PYTHONPATH=path)
    consumer.wait_until_running()
    named = {"fedora_messaging_user_jane": True, "fedora_messaging_rpm_bash": True}
    publisher.send(Delivery(number, **named) for number in range(1, 11))
    wait_for("all to be counted", partial(counts, engine, 10))
    assert volume(engine, "data_volume_by_user_1m") == volume(engine, "data_volume_by_package_1m") == 10
    assert consumer.end()[0] == 0
    assert of_fedmsg(consumer.directory) <= with_configuration()
