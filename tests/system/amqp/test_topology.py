"""`statscache amqp-topology` on a real broker: what daemons need to share its messages."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from statscache.bus.watermark import SETTLE
from tests.support.place import Place
from tests.support.rabbitmq import Broker, Delivery, Publisher, needs_rabbitmq
from tests.support.sql import run, scalar

#: Lets a command be killed before or after one of the things that it asks of the broker.
KILLED = """
import os
from pika.adapters.blocking_connection import BlockingChannel
left = [{number}]
def dying(real):
    def call(*given, **named):
        left[0] -= 1
        if left[0] == 0 and not {after}:
            os._exit(9)
        found = real(*given, **named)
        if left[0] == 0:
            os._exit(9)
        return found
    return call
for name in ("exchange_declare", "exchange_bind", "queue_declare", "queue_bind", "queue_unbind"):
    setattr(BlockingChannel, name, dying(getattr(BlockingChannel, name)))
"""
#: What is asked for, and the things before or after which that is killed: each queue is made, then bound.
KILLS = [
    (("--queues", "2"), [(4, False), (5, False), (6, False), (7, False), (7, True)]),
    (("--queues", "3"), [(8, False), (9, False), (9, True)]),
    (("--retire", "{}-2"), [(8, False), (8, True)]),
]

Topology = Callable[..., tuple[int, str, str]]


def drained(broker: Broker, queues: Sequence[str]) -> list[list[str]]:
    """Return the ids of the messages that are in each of the queues, and take them out."""
    found: list[list[str]] = []
    with broker.channel() as channel:
        for queue in queues:
            left = channel.queue_declare(queue, passive=True).method.message_count
            found.append([])
            if left:
                for method, properties, _ in channel.consume(queue):
                    found[-1].append(properties.message_id)
                    channel.basic_ack(method.delivery_tag)
                    if len(found[-1]) == left:
                        break
                channel.cancel()
    return found


def numbers(broker: Broker, queues: Sequence[str]) -> list[int]:
    """Return how many messages are in each of the queues, as they say themselves."""
    with broker.channel() as channel:
        return [channel.queue_declare(queue, passive=True).method.message_count for queue in queues]


def rows(engine: Engine) -> list[tuple[str, float]]:
    """Return the rows of the queues, and up to how many seconds ago nothing is awaited of each."""
    query = "SELECT bus, extract(epoch FROM now() - upper(heard))::float8 FROM statscache_bus ORDER BY bus"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def queues_of(name: str, number: int) -> list[str]:
    """Return the names of so many queues."""
    return [f"{name}-{each}" for each in range(1, number + 1)]


def test_the_plan_is_printed_and_nothing_is_made(
    topology: Topology, broker: Broker, shares: str, exchange: str, engine: Engine
) -> None:
    """It says what is to be there, and what to set for each daemon."""
    code, output, errors = topology("--queues", "2")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        f"On the broker 127.0.0.1:{broker.port}, as messaging.toml has it:",
        f"  the exchange {shares} is of type x-consistent-hash, by message_id, and durable",
        f"  the exchange {shares} gets what of {exchange} has the routing key #",
        f"  the queue {shares}-1 is a durable quorum queue with a single active consumer",
        f"  the queue {shares}-1 gets its share of {shares}, with the weight 1",
        f"  the queue {shares}-2 is a durable quorum queue with a single active consumer",
        f"  the queue {shares}-2 gets its share of {shares}, with the weight 1",
        "In fedmsg.d of one daemon each:",
        f'  "statscache.amqp.queues": ["{shares}-1"],',
        f'  "statscache.amqp.queues": ["{shares}-2"],',
        "Nothing of that is made now: --apply makes it.",
    ]
    assert shares not in broker.ctl("list_queues", "name") + broker.ctl("list_exchanges", "name")
    assert scalar(engine, "SELECT to_regclass('statscache_bus')") is None


def test_queues_share_messages_by_their_ids(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """About equally, each message in one, and its copies in the same. To make them once more changes nothing."""
    code, output, _ = topology("--apply")
    assert (code, output.splitlines()[-1]) == (0, "All of that is there.")
    known = [bus for bus, _ in rows(engine)]
    before = scalar(engine, "SELECT array_agg(heard ORDER BY bus)::text FROM statscache_bus")
    assert topology("--apply") == (0, output, "")
    assert scalar(engine, "SELECT array_agg(heard ORDER BY bus)::text FROM statscache_bus") == before
    queues = queues_of(shares, 4)
    assert known == [f"amqp/{queue}" for queue in queues]
    sent = [Delivery(number) for number in range(1, 1201)]
    publisher.send(sent)
    found = drained(broker, queues)
    assert sorted(chain.from_iterable(found)) == sorted(delivery.id for delivery in sent)
    assert all(200 < len(ids) < 400 for ids in found)
    publisher.send(reversed(sent))
    assert [sorted(ids) for ids in drained(broker, queues)] == [sorted(ids) for ids in found]


def test_more_queues_get_their_shares_while_messages_come(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """None is lost or doubled, and what may be late is awaited of the new ones, too."""
    topology("--queues", "4", "--apply")
    old = rows(engine)
    sent: list[str] = []
    over = threading.Event()

    def publish() -> None:
        for start in count(1, 20):
            some = [Delivery(number) for number in range(start, start + 20)]
            publisher.send(some)
            sent.extend(delivery.id for delivery in some)
            if over.is_set():
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        began = scalar(engine, "SELECT extract(epoch FROM now())::float8")
        code, *_ = topology("--queues", "8", "--apply")
        ended = scalar(engine, "SELECT extract(epoch FROM now())::float8")
    finally:
        over.set()
        thread.join()
    assert code == 0
    found = drained(broker, queues_of(shares, 8))
    assert sorted(chain.from_iterable(found)) == sorted(sent)
    assert all(found)
    new = dict(rows(engine))
    assert len(new) == 8
    passed = scalar(engine, "SELECT extract(epoch FROM now())::float8")
    for bus, ago in new.items():
        if bus not in dict(old):
            assert began - 2 <= passed - ago <= ended - 2
    publisher.send(map(Delivery, range(100_000, 100_800)))
    assert all(len(ids) > 50 for ids in drained(broker, queues_of(shares, 8)))


def test_a_retired_queue_is_deleted_once_it_is_heard_and_nobody_consumes_it(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """Until then what is in it stays. The others share what comes from then on."""
    topology("--queues", "2", "--apply")
    publisher.send(map(Delivery, range(1, 101)))
    last, bus = f"{shares}-2", f"amqp/{shares}-2"
    for _ in range(2):
        code, output, errors = topology("--retire", last, "--apply")
        assert (code, errors) == (0, "")
        said = output.splitlines()[-1]
        assert re.fullmatch(
            rf"{last} is heard in full only once its daemon has heard it up to \S+ \S+ UTC\.", said
        )
    publisher.send(map(Delivery, range(101, 201)))
    first, second = numbers(broker, queues_of(shares, 2))
    assert second < 100 < first
    run(engine, f"UPDATE statscache_bus SET heard = '{{(,)}}' WHERE bus = '{bus}'")
    stays = f"{last} is heard in full: stop its daemon, then retire the queue once more to delete it."
    assert topology("--retire", last, "--apply")[1].splitlines()[-1] == stays
    assert sum(map(len, drained(broker, queues_of(shares, 2)))) == 200
    with broker.channel() as channel:
        channel.basic_consume(last, lambda *delivery: None)
        assert topology("--retire", last, "--apply")[1].splitlines()[-1] == stays
    assert (
        topology("--retire", last, "--apply")[1].splitlines()[-1]
        == f"{last} was heard in full, and is deleted."
    )
    assert last not in broker.ctl("list_queues", "name")
    assert [bus for bus, _ in rows(engine)] == [f"amqp/{shares}-1"]
    code, _, errors = topology("--retire", last, "--apply")
    assert (code, errors) == (
        2,
        f"statscache: {last} is not one of the queues of {shares}, which are {shares}-1: name one of them\n",
    )


def test_fewer_queues_retire_the_last_ones_and_more_bring_them_back(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """Without a number there are as many as there were."""
    topology("--queues", "3", "--apply")
    topology("--queues", "1", "--apply")
    publisher.send(map(Delivery, range(1, 101)))
    assert numbers(broker, queues_of(shares, 3)) == [100, 0, 0]
    assert scalar(engine, "SELECT count(*) FROM statscache_bus WHERE upper_inf(heard)") == 2
    assert f"{shares}-2" not in topology()[1]
    topology("--queues", "2", "--apply")
    publisher.send(map(Delivery, range(101, 301)))
    assert numbers(broker, queues_of(shares, 2))[1] > 50
    assert scalar(engine, "SELECT count(*) FROM statscache_bus WHERE upper_inf(heard)") == 1


def test_what_could_not_be_finished_makes_nothing_complete_and_is_finished_later(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """As where a queue of that name is of another kind, which one line says."""
    with broker.channel() as channel:
        channel.queue_declare(f"{shares}-2", durable=True)
    code, output, errors = topology("--queues", "2", "--apply")
    assert (code, output) == (2, "")
    assert re.fullmatch(
        rf"statscache: the broker 127.0.0.1:{broker.port} has it otherwise: [^\n]*{shares}-2[^\n]*\n", errors
    )
    assert rows(engine) == [(f"amqp/{queue}", None) for queue in queues_of(shares, 2)]
    with broker.channel() as channel:
        channel.queue_delete(f"{shares}-2")
    assert topology("--queues", "2", "--apply")[0] == 0
    assert all(-6 < ago < 0 for _, ago in rows(engine))
    publisher.send(map(Delivery, range(1, 101)))
    assert sum(map(len, drained(broker, queues_of(shares, 2)))) == 100


@pytest.mark.slow
def test_wherever_it_is_killed_no_queue_has_messages_that_are_not_awaited(
    topology: Topology, broker: Broker, publisher: Publisher, shares: str, engine: Engine
) -> None:
    """As two queues are made, one more, and one fewer. What was killed is finished later."""
    filled: dict[str, int] = {}
    newest: dict[str, float] = {}
    made = False
    for options, kills in KILLS:
        asked = [option.format(shares) for option in options]
        for killed in [*kills, None]:
            script = KILLED.format(number=killed[0], after=killed[1]) if killed else ""
            code, _, errors = topology(*asked, "--apply", script=script)
            assert (code, errors) == (9 if killed else 0, "")
            if made:
                time.sleep(
                    SETTLE + 1
                )  # for so long all is awaited anyway, or nothing, after a change is said
            now = scalar(engine, "SELECT extract(epoch FROM now())::float8")
            publisher.send(map(Delivery, range(200)))
            there = broker.ctl("list_queues", "--no-table-headers", "name").split()
            queues = [queue for queue in queues_of(shares, 3) if queue in there]
            before, filled = filled, dict(zip(queues, numbers(broker, queues), strict=True))
            newest |= {queue: now for queue in queues if filled[queue] > before.get(queue, 0)}
            if not (made or killed):  # what came before the first were made is of a time that nobody claims
                newest.clear()
                made = True
            assert {queue for queue in newest if not awaits(engine, queue, newest[queue])} == set(), killed
            assert sum(filled.values()) - sum(before.values()) == (200 if filled.get(f"{shares}-1") else 0)
    assert newest[f"{shares}-2"] < newest[f"{shares}-1"] == newest[f"{shares}-3"]


def awaits(engine: Engine, queue: str, when: float) -> bool:
    """Return whether messages of an instant are awaited from a queue."""
    query = f"SELECT NOT heard @> to_timestamp({when}) FROM statscache_bus WHERE bus = 'amqp/{queue}'"
    return bool(scalar(engine, query))


def test_two_who_change_the_same_at_once_get_in_no_ones_way(
    topology: Topology, broker: Broker, shares: str, engine: Engine
) -> None:
    """The second is told, and has changed nothing."""
    with broker.channel() as channel:
        channel.queue_declare(f"{shares}.topology", exclusive=True)
        code, _, errors = topology("--apply")
    assert code == 2
    assert "has locked it for another connection" in errors
    assert rows(engine) == []


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Broker]:
    """A broker without any plugin."""
    needs_rabbitmq()
    directory = tmp_path / "rabbitmq"
    directory.mkdir()
    broker = Broker(directory, plugins=())
    yield broker
    broker.close()


def test_a_broker_without_the_plugin_is_one_line(
    topology: Topology, plain: Broker, exchange: str, shares: str
) -> None:
    """It says how to enable it."""
    with plain.channel() as channel:
        channel.exchange_declare(exchange, "topic", durable=True)
    code, output, errors = topology("--apply", url=plain.url)
    assert (code, output) == (2, "")
    assert errors == (
        "statscache: the broker has no exchanges of type x-consistent-hash: enable its plugin there, with "
        "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange\n"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://guest:guest@127.0.0.1:1/", "the broker 127.0.0.1:1 cannot be reached: "),
        (
            "amqp://guest:wrong@127.0.0.1:{port}/",
            "does not know the user guest, or has another password for it",
        ),
        (
            "amqp://guest:guest@127.0.0.1:{port}/nowhere",
            "does not let the user guest into the virtual host nowhere",
        ),
    ],
)
def test_a_broker_that_lets_nobody_in_is_one_line(
    topology: Topology, broker: Broker, url: str, said: str, there: Place
) -> None:
    """And the password is not told."""
    code, output, errors = topology("--apply", url=url.format(port=broker.port))
    assert (code, output) == (2, "")
    assert re.fullmatch(r"statscache: the broker [^\n]*\n", errors)
    assert said in errors
    assert "wrong" not in errors


def test_what_messages_come_from_must_be_there(
    topology: Topology, broker: Broker, exchange: str, shares: str
) -> None:
    """Else nothing would ever come."""
    with broker.channel() as channel:
        channel.exchange_delete(exchange)
    code, output, errors = topology("--apply")
    assert (code, output) == (2, "")
    assert re.search(rf"the broker \S+ does not have it: NOT_FOUND - no exchange '{exchange}'", errors)
