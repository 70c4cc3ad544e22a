"""How daemons share the messages of a broker of one's own, all of it by what RabbitMQ has: a topic exchange into an
exchange that goes by the hash of the id, into queues of which one consumer at a time gets everything.

Each message is so in exactly one of the queues, the same for all its copies. No queue may get anything before
`statscache.store.queues` has its row, and its row ends after it gets nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from statscache.bus.amqp.configuration import AmqpConfiguration
from statscache.errors import Unusable, some_of

#: The type of the exchange that shares messages out, of a plugin of RabbitMQ, and what that goes by.
HASH, BY = "x-consistent-hash", {"hash-property": "message_id"}
PLUGIN = "rabbitmq_consistent_hash_exchange"
#: What the queues are.
ARGUMENTS = {"x-queue-type": "quorum", "x-single-active-consumer": True}
#: The routing key with which a queue gets its share: how many of the ring's parts are its own.
SHARE = "1"
#: So many queues there are if nobody says otherwise.
USUAL = 4
#: The reply codes of AMQP 0-9-1 for what is not there, and for what cannot be done.
NOT_FOUND, COMMAND_INVALID = 404, 503


@dataclass(frozen=True)
class Topology:
    """What is to be there.

    :param name: of the exchange that shares messages out, and what the names of the queues begin with
    :param sources: the exchanges that messages come from, each with a routing key
    :param queues: those that share the messages
    :param retired: those that are to get nothing more
    """

    name: str
    sources: Sequence[tuple[str, str]]
    queues: Sequence[str]
    retired: Sequence[str] = ()

    def lines(self) -> Iterator[str]:
        """Yield what is to be there on the broker, each in a sentence, in the order in which it is made."""
        yield f"the exchange {self.name} is of type {HASH}, by message_id, and durable"
        for exchange, key in self.sources:
            yield f"the exchange {self.name} gets what of {exchange} has the routing key {key}"
        for queue in self.queues:
            yield f"the queue {queue} is a durable quorum queue with a single active consumer"
            yield f"the queue {queue} gets its share of {self.name}, with the weight {SHARE}"
        for queue in self.retired:
            yield f"the queue {queue} gets nothing more of {self.name}"


def plan(
    configuration: AmqpConfiguration,
    name: str,
    present: Sequence[str],
    number: int | None = None,
    retired: Collection[str] = (),
) -> Topology:
    """Return what is to be there.

    :param present: the queues that share the messages until now
    :param number: how many queues there are to be; None for as many as there are
    :param retired: those that are to get nothing more, whatever the number
    :raises Unusable: if that cannot be
    """
    numbered = [f"{name}-{each}" for each in range(1, (number or USUAL) + 1)]
    wanted = numbered if number or not present else present
    queues = [queue for queue in wanted if queue not in retired]
    gone = [queue for queue in [*present, *retired] if queue not in queues]
    if not queues:
        raise Unusable(
            f"{name} would have no queue left, and what is published would be lost: leave at least one"
        )
    return Topology(name, _sources(configuration, queues), queues, list(dict.fromkeys(gone)))


def _sources(configuration: AmqpConfiguration, queues: Collection[str]) -> list[tuple[str, str]]:
    """Return what the configuration binds, without regard to the queue into which it does."""
    for binding in configuration.bindings:
        if binding.queue in queues:
            raise Unusable(
                f"{configuration.source} binds the queue {binding.queue} to {binding.exchange} itself, so that it "
                "would get everything: remove that binding, or choose another --name"
            )
    pairs = [(binding.exchange, key) for binding in configuration.bindings for key in binding.routing_keys]
    if not pairs:
        raise Unusable(
            f"{configuration.source} has no bindings, and so nothing would come: name what to count there"
        )
    return list(dict.fromkeys(pairs))


class Broker:
    """Makes on the broker what is to be there. Whatever is there already stays as it is.

    :param connection: all of it goes by it; its errors are the caller's
    :param configuration: says what exchanges messages come from
    """

    def __init__(self, connection: pika.BlockingConnection, configuration: AmqpConfiguration) -> None:
        self._channel: BlockingChannel = connection.channel()
        self._configuration = configuration

    def lock(self, name: str) -> None:
        """Let no other command change the same topology until the connection ends.

        :raises ChannelClosedByBroker: if another does just now
        """
        self._channel.queue_declare(f"{name}.topology", exclusive=True)

    def make(self, topology: Topology) -> None:
        """Make exchanges, queues and bindings.

        What messages come from is bound before the queues, so that each queue gets its share from its first moment.

        :raises Unusable: if the broker has no exchange that shares messages out
        """
        self._make_exchanges(topology.name)
        for exchange, key in topology.sources:
            self._channel.exchange_bind(topology.name, exchange, key)
        for queue in topology.queues:
            self._channel.queue_declare(queue, durable=True, arguments=ARGUMENTS)
            self._channel.queue_bind(queue, topology.name, SHARE)

    def _make_exchanges(self, name: str) -> None:
        for exchange in self._configuration.exchanges:
            self._channel.exchange_declare(
                exchange.name,
                exchange.type,
                passive=self._configuration.passive,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                arguments=dict(exchange.arguments),
            )
        try:
            self._channel.exchange_declare(name, HASH, durable=True, arguments=BY)
        except ConnectionClosedByBroker as error:
            if error.reply_code != COMMAND_INVALID:
                raise
            raise Unusable(
                f"the broker has no exchanges of type {HASH}: enable its plugin there, with rabbitmq-plugins enable "
                f"{PLUGIN}"
            ) from error

    def unbind(self, queue: str, name: str) -> None:
        """Let a queue get nothing more. Once this returns, nothing that is published goes into it."""
        self._channel.queue_unbind(queue, name, SHARE)

    def delete_idle(self, queue: str) -> bool:
        """Delete a queue that is empty and that nobody consumes, and return whether it is gone.

        A quorum queue cannot be deleted on condition, so that is asked before.
        """
        try:
            answer = self._channel.queue_declare(queue, passive=True).method
        except ChannelClosedByBroker as error:
            if error.reply_code != NOT_FOUND:
                raise
            self._channel = self._channel.connection.channel()
            return True
        if answer.message_count or answer.consumer_count:
            return False
        self._channel.queue_delete(queue)
        return True


def check_known(name: str, known: Sequence[str], retired: Sequence[str]) -> None:
    """Check that queues which are to be retired are ones that share messages, or did.

    :param known: all of those
    :raises Unusable: if one is not
    """
    for queue in retired:
        if queue not in known:
            others = some_of(known, 8) or "none yet"
            raise Unusable(
                f"{queue} is not one of the queues of {name}, which are {others}: name one of them"
            )
