"""What is acknowledged of what a broker delivers, and what comes again, with a spool that may be full."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from twisted.internet.testing import MemoryReactorClock

from statscache.bus.amqp.bus import AmqpBus
from statscache.bus.amqp.configuration import Queue, read_configuration
from statscache.bus.amqp.connection import Channels
from statscache.bus.micro_batch import MicroBatch
from statscache.bus.watermark import Watermark
from statscache.intake.accept import Intake
from statscache.messages import rules
from statscache.spool.directory import make_spool
from tests.intake.test_accept import Recorder
from tests.support.clock import Machine
from tests.support.messages import TOPIC

SPOOLS = tempfile.TemporaryDirectory(prefix="statscache-spools-", ignore_cleanup_errors=True)
UUID = "11111111-2222-3333-4444-555555555555"


class Channel:
    """A channel that keeps what was acknowledged on it."""

    def __init__(self) -> None:
        self.acknowledged = 0

    def basic_ack(self, tag: int, multiple: bool) -> None:
        assert multiple
        self.acknowledged = tag


class Reactor(MemoryReactorClock):
    """A reactor whose time passes when it is told to, of one thread alone."""

    def callFromThread(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)


class Place:
    """A bus, the intake behind it, and the channel before it; it is its own sink."""

    def __init__(self, limit: int) -> None:
        reactor = Reactor()
        self.bus = AmqpBus(reactor, read_configuration("", {}), (Queue("a"),), 100, self)
        spool = make_spool(Path(SPOOLS.name), ["recorder"], limit)
        self.recorder = Recorder()
        self.intake = Intake(spool, self.recorder, rules, 1 << 26, no_room=self.bus.no_room)  # type: ignore[arg-type]
        self.batch = MicroBatch(self.intake.accept_all, lambda call: reactor.callLater(0, call))
        self.spool = spool
        self.advance: Callable[[float], None] = reactor.advance
        self.bus.start(Watermark(Machine().clocks), self.position)
        self.open()

    def open(self) -> None:
        self.channel = Channel()
        self.tag = 0
        self.bus.opened(Channels(self.channel, None, {"a": "a"}))  # type: ignore[arg-type]

    def position(self) -> int:
        self.batch.empty()
        return self.intake.position

    def receive(self, body: dict[str, Any]) -> None:
        self.batch.put(body)

    def reject(self, body: Mapping[str, Any], reason: str) -> None:
        self.intake.reject(body, reason)

    def hurry(self) -> None:
        pass

    def deliver(self, id: str | None, msg: str, redelivered: bool = False) -> None:
        self.tag += 1
        method = SimpleNamespace(delivery_tag=self.tag, redelivered=redelivered, routing_key=TOPIC)
        properties = pika.BasicProperties(message_id=id, headers={"sent-at": "2026-01-01T00:00:00Z"})
        self.bus.delivered("a", method, properties, json.dumps(msg).encode())

    def commit(self) -> None:
        """Commit what is in the spool."""
        self.advance(0)
        self.spool.release(self.spool.end)
        self.intake.committed(self.spool.end)
        self.bus.committed(self.spool.end)
        self.advance(0)

    @property
    def taken(self) -> set[str]:
        return {message["msg"] for message in self.recorder.taken}


@pytest.mark.parametrize("id", [None, "", "x" * 201, f"2016-{UUID}", UUID])
def test_what_finds_no_room_comes_again_whatever_its_id(id: str | None) -> None:
    """Also one without an id, and one of a bridge, whose id is not the one that the message has in the end."""
    place = Place(limit=1_000)
    waiting = [("first", "a" * 600), (id, "b" * 600), ("last", "c" * 600)]
    for redelivered in (False, True, True, True):
        for each in waiting:
            place.deliver(*each, redelivered)
        place.commit()
        waiting = waiting[place.channel.acknowledged :]
        place.bus.closed("")
        place.open()
    assert not waiting
    assert place.taken == {"a" * 600, "b" * 600, "c" * 600}


@pytest.mark.parametrize("id", ["", "x" * 201, "\n"])
def test_ids_that_cannot_serve_as_one_are_no_ids(id: str) -> None:
    """Messages that share such an id are not one, so that one lies in the spool says nothing of the other."""
    place = Place(limit=1 << 20)
    place.deliver(id, "a")
    place.advance(0)
    place.bus.closed("")
    place.open()
    place.deliver(id, "b", redelivered=True)
    place.commit()
    assert place.channel.acknowledged == 1
    assert place.taken == {"a", "b"}


def test_the_broker_is_asked_ever_more_seldom_while_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue can have a limit of how often a message comes, and drops it then. What is committed makes room."""
    place = Place(limit=1_000)
    rests: list[float] = []
    monkeypatch.setattr(place.bus._connector, "renew", rests.append)
    place.deliver("first", "a" * 600)
    for _ in range(20):
        place.deliver("next", "b" * 600)
        place.advance(0)
        place.bus.closed("")
        place.open()
    assert rests[:4] == [10, 20, 40, 80]
    assert sum(rests) > 2 * 3600
    place.commit()
    place.deliver("next", "b" * 600)
    place.advance(0)
    place.deliver("last", "c" * 600)
    place.advance(0)
    assert rests[20:] == [10]
