"""Queues of RabbitMQ as the bus that a daemon listens to. All of this is for the reactor's thread, but for three calls.

A delivery is acknowledged once its message is committed. So nothing is lost here that the broker keeps: where the
spool has no room, or the database is away, messages wait in the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import LoopingCall, deferLater

from statscache.bus.amqp.configuration import AmqpConfiguration, Queue
from statscache.bus.amqp.connection import Channels, Connector
from statscache.bus.amqp.deliveries import Deliveries
from statscache.bus.amqp.hearing import Hearing
from statscache.bus.amqp.markers import marker_of
from statscache.bus.amqp.marks import Marks
from statscache.bus.interface import AMQP
from statscache.bus.looks import APART
from statscache.bus.reactor import steady
from statscache.bus.watermark import Watermark
from statscache.errors import Rejected
from statscache.messages.delivery import body_of
from statscache.messages.message import usable_id
from statscache.reasons import ReasonCounter

log = logging.getLogger(__name__)

#: How often in seconds a marker is sent; a bit more than APART, so that two looks in a row are enough.
EVERY = APART + 0.1
#: How long in seconds the broker is not asked again for messages that could not be taken, unless some are committed;
#: then twice as long, up to the last. A queue can have a limit of how often a message may come before it is dropped.
REST_S, LAST_REST_S = 10.0, 600.0
#: How long in seconds the end waits for what has been taken to be committed, and how often it looks.
LAST_S, LOOK_S = 2.0, 0.05


class Sink(Protocol):
    """What takes messages."""

    def receive(self, body: dict[str, Any]) -> None:
        """Take the body of one message."""
        ...

    def reject(self, body: Mapping[str, Any], reason: str) -> None:
        """Note a message that does not count."""
        ...

    def hurry(self) -> None:
        """Have what was taken committed at once."""
        ...


class AmqpBus:
    """Consumes queues, and acknowledges what is committed.

    :param sink: takes the messages
    :param prefetch: so many deliveries of each queue at most are under way
    :param keeps: whether the queues lose nothing while nobody consumes them
    :raises Unusable: if the configuration cannot be used
    """

    name = AMQP

    def __init__(
        self,
        reactor: Any,
        configuration: AmqpConfiguration,
        queues: tuple[Queue, ...],
        prefetch: int,
        sink: Sink,
        keeps: bool = False,
    ) -> None:
        steady(reactor)
        #: Of queues that keep what is sent while nobody consumes them.
        self.kept = Marks() if keeps else None
        self.queues = [queue.name for queue in queues if queue.name]
        self._reactor, self._sink = reactor, sink
        self._half = max(prefetch // 2, 1)
        self._deliveries = Deliveries()
        self._connector = Connector(reactor, configuration, queues, prefetch, self, self.kept)
        names = [queue.name for queue in queues]
        self._hearing = Hearing(names, self._connector.broker, self.kept)
        self._channels: Channels | None = None
        self._timer = LoopingCall(self._tick)
        self._committed = 0
        self._complaints = ReasonCounter()
        self._settles = self._was_open = self._stopped = False
        # Whether what has come by this channel is not all in the spool, so that it must come again by another.
        self._broken = False
        self._rest = REST_S
        #: Why the broker does not let us consume, as it has answered the first time; empty as long as it has not.
        self.refusal = ""

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many messages wait in each queue, by what it is called for people. From any thread."""
        return self._hearing.waiting

    def start(self, watermark: Watermark, position: Callable[[], int]) -> None:
        """Begin to consume, and to report to the watermark up to when everything was heard."""
        self._position = position
        self._hearing.start(watermark)
        self._connector.start()
        self._timer.start(EVERY).addErrback(self._fail)

    def later(self, call: Callable[[], object]) -> object:
        """Have a function called once the reactor has read what there is to be read."""
        return self._reactor.callLater(0, call)

    def call(self, call: Callable[[], object]) -> object:
        """Have a function called on the reactor's thread. From any thread."""
        return self._reactor.callFromThread(call)

    def committed(self, position: int) -> None:
        """Note that the spool is committed up to a position. From any thread."""
        self._reactor.callFromThread(self._acknowledge, position)

    def no_room(self, body: Mapping[str, Any], reason: str) -> None:
        """Note that a message found no room in the spool: it stays in its queue, and so do those after it."""
        if not self._broken:
            self._deliveries.end_before(usable_id(body.get("msg_id")), self._position())
        if self._complaints.add(reason):
            log.critical("%s: messages stay in their queue until there is room", reason)
        self._break()

    def _break(self) -> None:
        """Take nothing more from this connection, and make another."""
        if self._broken:
            return
        self._broken = True
        self._connector.renew(self._rest)
        self._rest = min(2 * self._rest, LAST_REST_S)

    def drain(self) -> None:
        """Leave what has not come yet to the broker, which keeps it."""

    def stop(self) -> None:
        """Receive nothing more."""
        self._stopped = True
        if self._timer.running:
            self._timer.stop()

    def end(self) -> None:
        """Acknowledge what is committed in a moment, close the connection, and end the reactor."""
        self._settle()
        self._sink.hurry()
        ensureDeferred(self._end(self._reactor.seconds() + LAST_S))

    async def _end(self, deadline: float) -> None:
        try:
            while self._deliveries.underway and self._reactor.seconds() < deadline:
                await deferLater(self._reactor, LOOK_S)
            await self._connector.stop()
        finally:
            self._reactor.stop()

    def opened(self, channels: Channels) -> None:
        """Begin to take what comes by a channel."""
        self._channels = channels
        self._was_open = True
        self._broken = False
        self._deliveries.begin()
        self._hearing.opened(channels)

    def closed(self, reason: str) -> None:
        """Forget the channels, but not what has come by them."""
        self._channels = None
        if not self._broken:
            self._deliveries.end(self._position())
        self._hearing.closed()
        if reason:
            log.warning("lost the connection: %s", reason)

    def refused(self, reason: str) -> None:
        """End the process where the broker does not let us consume from the start on."""
        if not self._was_open:
            self.refusal = reason
            self._reactor.stop()

    def delivered(self, queue: str, method: Any, properties: Any, payload: bytes) -> None:
        """Take one delivery."""
        if self._stopped or self._broken:
            return
        try:
            self._take(queue, method, properties, payload)
        except Exception:
            log.exception("a delivery could not be taken, and comes again")
            self._deliveries.begin()
            self._break()

    def _take(self, queue: str, method: Any, properties: Any, payload: bytes) -> None:
        self._hearing.came(queue)
        marker = marker_of(properties)
        if marker is not None:
            self._deliveries.came(method.delivery_tag)
            self._hearing.back(queue, marker, self._settle)
        elif method.redelivered and self._deliveries.is_spooled(usable_id(properties.message_id)):
            self._deliveries.came(method.delivery_tag, usable_id(properties.message_id))
        else:
            self._take_message(method, properties, payload)
        if not self._settles:
            self._settles = True
            self._reactor.callLater(0, self._settle)

    def _take_message(self, method: Any, properties: Any, payload: bytes) -> None:
        topic, id = method.routing_key, properties.message_id
        try:
            body = body_of(topic, id, properties.headers, payload)
        except Rejected as reason:
            self._deliveries.came(method.delivery_tag)
            self._sink.reject({"topic": topic, "msg_id": id}, str(reason))
        else:
            self._deliveries.came(method.delivery_tag, usable_id(id))
            self._sink.receive(body)

    def _settle(self) -> int | None:
        """Note that what has come lies in the spool, and return where it ends; None if not all of it found room."""
        self._settles = False
        position = self._position()
        if self._broken:
            return None
        self._deliveries.settle(position)
        self._acknowledge(self._committed)
        if self._deliveries.waiting >= self._half:
            self._sink.hurry()
        return position

    def _acknowledge(self, position: int) -> None:
        if position > self._committed:
            self._connector.rest_no_more()
            self._rest = REST_S
        self._committed = position
        tag = self._deliveries.committed(position)
        if tag is not None and self._channels is not None:
            self._channels.consuming.basic_ack(tag, multiple=True)

    def _tick(self) -> None:
        self._hearing.tick(self._position(), idle=not self._deliveries.waiting)
        if self._hearing.give_way():
            self._connector.renew()

    def _fail(self, failure: Any) -> None:
        log.critical(
            "watching the bus failed, no time is covered until a restart: %s", failure.getTraceback()
        )
