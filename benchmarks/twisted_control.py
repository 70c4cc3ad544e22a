"""The control of `queue`: takes messages with pika's Twisted adapter, and does nothing with them.

usage: python -m benchmarks.twisted_control URL QUEUE COUNT

It prints in how many seconds it got so many messages, from when it began to consume.
"""

from __future__ import annotations

import sys
import time

import pika
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet.defer import ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import react

PREFETCH = 10_000
#: So many messages are acknowledged at once.
TOGETHER = 1_000


async def take(reactor: object, url: str, queue: str, count: int) -> None:
    """Take so many messages."""
    parameters = pika.URLParameters(url)
    endpoint = TCP4ClientEndpoint(reactor, parameters.host, parameters.port)
    connection = await connectProtocol(endpoint, TwistedProtocolConnection(parameters))
    await connection.ready
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=PREFETCH)
    start = time.monotonic()
    messages, _ = await channel.basic_consume(queue)
    for number in range(1, count + 1):
        got = await messages.get()
        if number % TOGETHER == 0 or number == count:
            channel.basic_ack(got.method.delivery_tag, multiple=True)
    print(time.monotonic() - start)


if __name__ == "__main__":
    _, url, queue, count = sys.argv
    react(lambda reactor: ensureDeferred(take(reactor, url, queue, int(count))))
