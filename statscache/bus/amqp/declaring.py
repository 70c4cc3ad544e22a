"""What is made on the broker before messages come: exchanges, queues, and what of the ones goes into the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pika.adapters.twisted_connection import TwistedChannel

from statscache.bus.amqp.configuration import SERVER_NAMED, AmqpConfiguration, Queue


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
    answer = await channel.queue_declare(
        queue.name,
        passive=(configuration.passive or queue.given) and queue.name != SERVER_NAMED,
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
