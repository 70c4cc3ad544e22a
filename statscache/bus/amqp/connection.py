"""A connection to the broker that is made again whenever it is lost, and the channel on which messages come."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pika.adapters.twisted_connection import ClosableDeferredQueue, TwistedChannel
from pika.exceptions import ConsumerCancelled
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from statscache.bus.amqp.configuration import AmqpConfiguration, Queue
from statscache.bus.amqp.declaring import declare, find_in_turn
from statscache.bus.amqp.marks import Marks
from statscache.bus.amqp.parameters import endpoint_of, name_of, parameters_of
from statscache.bus.amqp.protocol import BrokerConnection
from statscache.bus.amqp.publishing import Publishing
from statscache.bus.amqp.refusals import Words, is_refusal
from statscache.bus.micro_batch import MicroBatch

log = logging.getLogger(__name__)

#: So many seconds are waited before the broker is tried again, then twice as many, up to the last.
FIRST_S, LAST_S = 0.5, 15.0
#: How long in seconds it may take to reach the broker, and then to have the queues consumed.
CONNECT_S, OPEN_S = 10.0, 30.0

#: A message of pika's, with the configured name of its queue.
Delivery = tuple[str, Any]


@dataclass(frozen=True)
class Channels:
    """What a connection is used for.

    :param consuming: all queues are consumed on it
    :param publishing: for messages into these queues, of another connection; None where the broker does not let us
    :param queues: what each queue is called, by its configured name
    :param kept: whether the queues are those that they were, and have kept what was sent meanwhile
    :param in_turn: the configured names of those that give one of their consumers everything until it goes
    """

    consuming: TwistedChannel
    publishing: TwistedChannel | None
    queues: Mapping[str, str]
    kept: bool = False
    in_turn: frozenset[str] = frozenset()


class Listener(Protocol):
    """What hears of the connection; all on the reactor's thread."""

    def opened(self, channels: Channels) -> None:
        """A connection is made, and deliveries begin."""
        ...

    def delivered(self, queue: str, method: Any, properties: Any, payload: bytes) -> None:
        """Something has come from the queue of that configured name."""
        ...

    def closed(self, reason: str) -> None:
        """The connection is no more, and why; empty if we have given it up."""
        ...

    def refused(self, reason: str) -> None:
        """The broker answers, and does not let us consume."""
        ...


class Connector:
    """Keeps a connection on which queues are consumed.

    :param configuration: how to reach the broker
    :param queues: what to consume
    :param prefetch: so many deliveries of each queue at most are under way
    :param listener: hears of it
    :param marks: of the queues; None where they keep nothing for us
    :raises Unusable: if the URL or a certificate cannot be used
    """

    def __init__(
        self,
        reactor: Any,
        configuration: AmqpConfiguration,
        queues: tuple[Queue, ...],
        prefetch: int,
        listener: Listener,
        marks: Marks | None = None,
    ) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._queues = queues
        self._prefetch = prefetch
        self._listener = listener
        parameters = parameters_of(configuration)
        #: Which broker it is, for people.
        self.broker = name_of(parameters)
        self._words = Words(self.broker, parameters)
        self._endpoint = endpoint_of(reactor, configuration, parameters, CONNECT_S)
        self._factory = Factory.forProtocol(lambda: BrokerConnection(parameters))
        self._factory.noisy = False
        self._connection: BrokerConnection | None = None
        self._publishing = Publishing(reactor, self._connect, self.broker, marks, self._unpublished)
        self._said = ""
        self._rests_until = 0.0
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._running = ensureDeferred(self._run())

    async def stop(self) -> None:
        """Close the connection, and make none again."""
        connection, self._connection = self._connection, None
        if self._running is not None:
            self._running.addErrback(lambda failure: failure.trap(CancelledError)).cancel()
        if connection is not None and connection.is_open:
            connection.close()
            await connection.lost

    def renew(self, rest: float = 0.0) -> None:
        """Give the connection up, to make another: what is not acknowledged comes again.

        :param rest: after how many seconds, at the earliest
        """
        self._rests_until = max(self._rests_until, self._reactor.seconds() + rest)
        if self._connection is not None:
            self._connection.given_up = True
            self._connection.transport.abortConnection()

    def rest_no_more(self) -> None:
        """Connect anew as soon as may be."""
        self._rests_until = 0.0

    async def _run(self) -> None:
        """Connect, again and again."""
        failures = 0
        while True:
            if await self._stay():
                failures = 0
            pause = min(FIRST_S * 2 ** min(failures, 10), LAST_S) * random.uniform(0.75, 1.25)
            await deferLater(self._reactor, pause)
            while self._reactor.seconds() < self._rests_until:
                await deferLater(self._reactor, FIRST_S)
            failures += 1

    async def _stay(self) -> bool:
        """Connect, consume until the connection is lost, and return whether it came so far."""
        connection = None
        try:
            connection = await self._connect()
            await ensureDeferred(self._open(connection)).addTimeout(OPEN_S, self._reactor)
            self._said = ""
            await connection.lost
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is said, and tried again
            self._say(error)
            if connection is not None:
                self._lost(connection, error)
                connection.transport.abortConnection()
            return False
        finally:
            self._publishing.close()
        return True

    def _connect(self) -> Deferred[Any]:
        return self._endpoint.connect(self._factory)

    async def _open(self, connection: BrokerConnection) -> None:
        """Open the channels of a connection, and consume."""
        await connection.opened
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=self._prefetch)
        names = await declare(channel, self._configuration, self._queues)
        in_turn = await find_in_turn(connection, self._configuration, self._queues)
        publishing = await self._publishing.open(names)
        kept = self._publishing.kept
        await self._consume(connection, Channels(channel, publishing, names, kept, in_turn))

    async def _consume(self, connection: BrokerConnection, channels: Channels) -> None:
        channel = channels.consuming
        came = MicroBatch(partial(self._hand_on, connection), partial(self._reactor.callLater, 0))
        channel.on_closed.addBoth(lambda reason: self._lost(connection, reason))
        for queue in self._queues:
            alone = queue.exclusive or channels.publishing is None
            messages, _ = await channel.basic_consume(channels.queues[queue.name], exclusive=alone)
            if self._connection is not connection:  # not before the broker lets us
                self._connection = connection
                self._listener.opened(channels)
            self._take(queue.name, messages, came)
        if channels.publishing is not None and channels.publishing.is_closed:  # meanwhile
            self.renew()

    def _unpublished(self, reason: object) -> None:
        """Begin anew where we cannot send markers any more."""
        log.warning("lost the connection for markers: %s", self._words.of(reason))
        self.renew()

    def _take(self, queue: str, messages: ClosableDeferredQueue, came: MicroBatch[Delivery]) -> None:
        """Gather each message as it comes."""

        def put(message: Any) -> None:
            came.put((queue, message))

        def take(message: Any) -> None:
            messages.get().addCallbacks(take, self._ended)
            put(message)

        messages.get().addCallbacks(take, self._ended)  # what is there at once, and from then on only the end
        # A Deferred for each message is a fifteenth of what it costs to count one.
        messages.put = put

    def _hand_on(self, connection: BrokerConnection, deliveries: Sequence[Delivery]) -> None:
        """Hand on what has come, in its order; nothing of a connection that is lost, as that comes again."""
        if self._connection is connection:
            for queue, message in deliveries:
                self._listener.delivered(queue, message.method, message.properties, message.body)

    def _ended(self, failure: Failure) -> None:
        """Begin anew where the broker has ended the consumer alone, as it does with a queue that is deleted."""
        if failure.check(ConsumerCancelled):
            log.warning("the broker %s has ended our consumer: its queue is gone, or was moved", self.broker)
            self.renew()

    def _lost(self, connection: BrokerConnection, reason: object) -> None:
        """Note, once, that a connection is of no more use."""
        if self._connection is connection:
            self._connection = None
            self._listener.closed("" if connection.given_up else self._words.of(reason))
            connection.transport.abortConnection()

    def _say(self, error: Exception) -> None:
        """Say why no queue is consumed, unless that was said."""
        words = self._words.of(error)
        if is_refusal(error):
            self._listener.refused(words)
        if words != self._said:
            self._said = words
            log.warning("%s; tried again", words)
