"""A broker of a scenario's own as the bus: daemons reach it through a proxy, and who publishes goes past that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from statscache.bus.amqp.markers import marker_of
from statscache.demo.amqp import payload_of, properties_with
from tests.support.consumer import fedora_messaging, shared_out
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import Broker
from tests.system.torture.buses import MakeSlot
from tests.system.torture.consumers import ConsumerSlot
from tests.system.torture.fleet import Slot
from tests.system.torture.messages import Body
from tests.system.torture.scenario import Scenario

EXCHANGE = "amq.topic"
#: What a queue is called that shares the messages with others, but for its number.
SHARES = "statscache"
#: How long in seconds the broker may be away, and how long there is between two tries.
AWAY, AGAIN = 120.0, 0.1
#: A queue that gives nothing for so many seconds is empty.
QUIET = 2.0


class BrokerBus:
    """A broker, to whose queues daemons listen.

    :param directory: for the broker's files
    """

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._scenario = scenario
        directory.mkdir(parents=True)
        self.server = Broker(directory)
        self.gate = TcpProxy(self.server.port)
        self._url = f"amqp://guest:guest@127.0.0.1:{self.gate.port}/"
        self._file = directory / "fedora-messaging.toml"
        self._file.write_text(self._messaging(scenario.consumers[0]), encoding="utf-8")
        self._sender = Sender(self.server)

    def _messaging(self, queue: str) -> str:
        """Return the configuration of fedora-messaging for a daemon that consumes a queue."""
        shares = self._scenario.shares
        return shared_out(self._url, EXCHANGE) if shares else fedora_messaging(self._url, queue)

    @property
    def broker(self) -> BrokerBus:
        """Itself."""
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """Where commands read how to reach it."""
        return {"statscache.amqp.config": str(self._file)}

    def slots(self, make: MakeSlot) -> list[Slot]:
        """Return the places of the daemons, each with a queue."""
        named = enumerate(self._scenario.consumers)
        return [self._slot(make, f"consumer-{n}", queue) for n, queue in named]

    def _slot(self, make: MakeSlot, name: str, queue: str) -> Slot:
        return make(ConsumerSlot, name, self._messaging(queue), {"statscache.amqp.queues": [queue]})

    def open(self, command: Callable[..., str]) -> None:
        """Make the queues that share messages; others are made by those who consume them."""
        if self._scenario.shares:
            command("amqp-topology", "--apply", "--queues", str(len(self._scenario.consumers)))

    def wait_for_subscriber(self) -> None:
        """Do nothing: the queues are there as soon as the daemons run."""

    def send(self, bodies: Sequence[Body]) -> Sequence[Body]:
        """Send messages, and return once the broker has them on its disk, however long it is away."""
        self._sender.send(map(as_published, bodies))
        return bodies

    def copy(self, bodies: Sequence[Body]) -> None:
        """Send what a bridge has made of messages of fedmsg, in the same way."""
        self._sender.send(bodies)

    def finish(self) -> Sequence[Body]:
        """Do nothing: nothing was kept back."""
        return ()

    def keeps(self, body: Body) -> bool:
        """Return whether the queues lose nothing."""
        return not self._scenario.purges

    @property
    def waiting(self) -> int:
        """How much is in the queues that is not delivered, markers included."""
        with self.server.channel() as channel:
            answers = [channel.queue_declare(queue, passive=True) for queue in self._scenario.consumers]
        return sum(answer.method.message_count for answer in answers)

    def left(self) -> list[str]:
        """Return which queues hold messages, when nobody consumes them any more."""
        with self.server.channel() as channel:
            found = {queue: drained(channel, queue) for queue in self._scenario.consumers}
        return [
            f"{len(left)} messages are left in {queue}, such as {left[0]}"
            for queue, left in found.items()
            if left
        ]

    def close(self) -> None:
        """End the broker."""
        self._sender.close()
        self.gate.shut()
        self.server.close()


class Sender:
    """Publishes, and knows what the broker has."""

    def __init__(self, server: Broker) -> None:
        self._server = server
        self._connection: pika.BlockingConnection | None = None

    def send(self, given: Iterable[Body]) -> None:
        """Publish messages in a transaction, whose end says that they are in their queues; again, until it does.

        :raises AMQPError: if the broker is away for too long
        """
        bodies, deadline = list(given), time.monotonic() + AWAY
        while True:
            try:
                return self._publish(bodies)
            except AMQPError:
                self.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN)

    def _publish(self, bodies: Iterable[Body]) -> None:
        if self._connection is None:
            self._connection = self._server.connect()
            self._channel = self._connection.channel()
            self._channel.tx_select()
        for body in bodies:
            self._channel.basic_publish(EXCHANGE, body["topic"], payload_of(body), properties_of(body))
        self._channel.tx_commit()

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except AMQPError:
                return


def as_published(body: Body) -> Body:
    """Return a message as one that is published on AMQP: its id has no year."""
    return {**body, "msg_id": body["msg_id"].partition("-")[2]} if "msg_id" in body else body


def properties_of(body: Body) -> pika.BasicProperties:
    """Return what fedora-messaging says of a message beside its payload; its time to the microsecond."""
    return properties_with(body.get("msg_id"), datetime.fromtimestamp(body["timestamp"], UTC))


def drained(channel: BlockingChannel, queue: str) -> list[str]:
    """Take all that is in a queue, and return the ids of what is no marker."""
    ids = []
    for method, properties, _ in channel.consume(queue, auto_ack=True, inactivity_timeout=QUIET):
        if method is None:
            break
        if marker_of(properties) is None:
            ids.append(str(properties.message_id))
    channel.cancel()
    return ids
