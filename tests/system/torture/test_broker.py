"""The suite's own broker: what it sends, what it finds left, and the steps of daemons that listen to it."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statscache.demo.amqp import payload_of
from statscache.messages.delivery import body_of
from statscache.messages.message import Message
from tests.support.hub import ordinary
from tests.support.rabbitmq import needs_rabbitmq
from tests.system.torture.bridges import to_amqp, to_fedmsg
from tests.system.torture.broker import BrokerBus, as_published, properties_of
from tests.system.torture.consumers import ConsumerSlot
from tests.system.torture.faults import AT
from tests.system.torture.messages import Body, Dating, make
from tests.system.torture.repeated import Repeated
from tests.system.torture.scenario import Scenario
from tests.system.torture.test_orders import SELDOM, steps_missed


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerBus]:
    """A broker of a scenario with one daemon."""
    needs_rabbitmq()
    broker = BrokerBus(Scenario("", hubs=(), consumers=("statscache",)), tmp_path / "broker")
    yield broker
    broker.close()


@pytest.fixture
def slot(broker: BrokerBus, tmp_path: Path, config: dict[str, Any]) -> Iterator[ConsumerSlot]:
    """The daemon's place, where one runs."""
    [slot] = broker.slots(
        lambda kind, name, source, own: kind(
            tmp_path / name, source, {**config, "statscache.producer.frequency": 0.2, **own}, {}
        )
    )
    assert isinstance(slot, ConsumerSlot)
    slot.start()
    slot.run()
    yield slot
    slot.kill()


def present(count: int) -> list[Body]:
    """Return messages as a scenario sends them."""
    return Dating(1, 100).date(make(1, count, odd=False), time.time())


def received(body: Body) -> dict[str, Any]:
    """Return what a daemon makes of what is published of a message."""
    properties = properties_of(body)
    return body_of(body["topic"], properties.message_id, properties.headers, payload_of(body))


def test_what_is_published_of_a_message_is_the_message() -> None:
    """With the same id, time, topic and content; also where it has no id."""
    for body in present(500):
        came = received(body)
        assert Message(came).id == Message(body).id
        assert (came["topic"], came["msg"], came["timestamp"]) == (
            body["topic"],
            body["msg"],
            body["timestamp"],
        )


def test_copies_that_bridges_make_have_the_id_of_what_they_copy() -> None:
    """In either direction, though on fedmsg there is a year in it."""
    for body in present(200):
        if "msg_id" in body:
            id = Message(body).id
            assert Message(received(to_amqp(body))).id == id
            assert Message(received(as_published(body))).id == id == as_published(body)["msg_id"]
            assert Message(to_fedmsg(body)).id == id


def test_a_message_that_is_left_is_complained_of(broker: BrokerBus, slot: ConsumerSlot) -> None:
    """When the daemon has ended, and nothing else is."""
    slot.end()
    assert (slot.complaints, broker.left()) == ([], [])
    ident = str(uuid.uuid4())
    broker.send([{**ordinary(1, time.time()), "msg_id": f"2026-{ident}"}])
    assert broker.left() == [f"1 messages are left in statscache, such as {ident}"]


def test_a_daemon_comes_to_every_step(broker: BrokerBus, slot: ConsumerSlot) -> None:
    """Also to those between a commit and its acknowledgement."""
    numbers = itertools.count(1)
    steps = [step for step in (*AT, *slot.steps) if step not in SELDOM]
    with Repeated(lambda: broker.send([ordinary(next(numbers), time.time())]), 0.02):
        assert steps_missed(slot, steps) == []
