"""What is made on the broker before messages come: exchanges, queues, and what of the ones goes into the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pika.adapters.twisted_connection import TwistedChannel
from pika.exceptions import ChannelClosedByBroker

from statscache.bus.amqp.configuration import SERVER_NAMED, AmqpConfiguration, Queue
from statscache.bus.amqp.protocol import BrokerConnection
from statscache.bus.amqp.topology import ARGUMENTS


async def declare(
    channel: TwistedChannel, configuration: AmqpConfiguration, queues: Sequence[Queue]
) -> dict[str, str]:
    """Make exchanges, queues and bindings, or see that they are there; return what the queues are called.

    :return: each queue's name on the broker, by its configured name
    """
    await _declare_exchanges(channel, configuration)
    names = {queue.name: await _declare_queue(channel, configuration, queue) for queue in queues}
    await _bind(channel, configuration, names)
    return names


async def find_in_turn(
    connection: BrokerConnection, configuration: AmqpConfiguration, queues: Sequence[Queue]
) -> frozenset[str]:
    """Return the configured names of those queues which give one of their consumers everything until it goes.

    The broker tells that only to who declares a queue as it should be. Of one that is only named, that is as
    `statscache amqp-topology` makes it.
    """
    found = set()
    for queue in queues:
        if queue.given:
            queue = replace(queue, durable=True, auto_delete=False, arguments=ARGUMENTS)
        if queue.arguments.get("x-single-active-consumer") is True and (
            not (queue.given or configuration.passive) or await _is_as_it_should(connection, queue)
        ):
            found.add(queue.name)
    return frozenset(found)


async def _is_as_it_should(connection: BrokerConnection, queue: Queue) -> bool:
    """Return whether a queue that is there is as it should be, on a channel of its own, which ends if it is not."""
    channel = await connection.channel()
    try:
        await _declare_as_it_is(channel, queue, passive=False)
    except ChannelClosedByBroker:
        return False
    channel.close()
    return True


async def _declare_exchanges(channel: TwistedChannel, configuration: AmqpConfiguration) -> None:
    for exchange in configuration.exchanges:
        await channel.exchange_declare(
            exchange.name,
            exchange.type,
            passive=configuration.passive,
            durable=exchange.durable,
            auto_delete=exchange.auto_delete,
            arguments=dict(exchange.arguments),
        )


async def _declare_queue(channel: TwistedChannel, configuration: AmqpConfiguration, queue: Queue) -> str:
    passive = (configuration.passive or queue.given) and queue.name != SERVER_NAMED
    return await _declare_as_it_is(channel, queue, passive)


async def _declare_as_it_is(channel: TwistedChannel, queue: Queue, passive: bool) -> str:
    answer = await channel.queue_declare(
        queue.name,
        passive=passive,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        arguments=dict(queue.arguments),
    )
    return str(answer.method.queue)


async def _bind(channel: TwistedChannel, configuration: AmqpConfiguration, names: Mapping[str, str]) -> None:
    for binding in configuration.bindings:
        if binding.queue in names:
            for key in binding.routing_keys:
                await channel.queue_bind(names[binding.queue], binding.exchange, routing_key=key)
