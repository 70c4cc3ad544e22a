"""The connection by which markers go: one of their own.

When memory or disk run out, RabbitMQ reads nothing more from a connection that has published, no acknowledgements
either. So by one connection for both, the queue whose length may be the reason would never grow shorter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pika.adapters.twisted_connection import TwistedChannel
from pika.exceptions import ChannelClosedByBroker, NackError
from twisted.internet.defer import Deferred, TimeoutError

from statscache.bus.amqp.markers import probe
from statscache.bus.amqp.marks import Marks
from statscache.bus.amqp.protocol import BrokerConnection

log = logging.getLogger(__name__)

#: How long in seconds the broker may take to say whether we may publish; one that has run out of room says nothing.
PROBE_S = 5.0
ACCESS_REFUSED = 403


class Publishing:
    """A connection by which we publish, or none.

    :param connect: makes a connection
    :param broker: which broker it is, for people
    :param marks: of the queues; None where they keep nothing for us
    :param lost: called, with the reason, when it is lost
    """

    def __init__(
        self,
        reactor: Any,
        connect: Callable[[], Deferred[BrokerConnection]],
        broker: str,
        marks: Marks | None,
        lost: Callable[[object], object],
    ) -> None:
        self._reactor = reactor
        self._connect = connect
        self._broker = broker
        self._marks = marks
        #: Whether all queues are still those that they were the last time.
        self.kept = False
        self._on_lost = lost
        self._connection: BrokerConnection | None = None

    async def open(self, queues: Mapping[str, str]) -> TwistedChannel | None:
        """Return a channel on which we may publish into the queues, None if the broker does not let us.

        :param queues: what they are called on the broker, by their configured names
        """
        self.kept = False
        self._connection = connection = await self._connect()
        await connection.opened
        connection.when_blocked(self._blocked)
        channel = await connection.channel()
        try:
            await channel.confirm_delivery()
            for name in queues.values():
                sent = channel.basic_publish("", name, b"", properties=probe())
                await sent.addTimeout(PROBE_S, self._reactor)
        except ChannelClosedByBroker as error:
            if error.reply_code != ACCESS_REFUSED:
                raise
            self.close()
            return None
        except (NackError, TimeoutError):
            self._blocked("a queue is full, or the broker itself")
        channel.on_closed.addBoth(lambda reason: self._lost(connection, reason))
        await self._look_at_marks(connection, queues)
        return channel

    async def _look_at_marks(self, connection: BrokerConnection, queues: Mapping[str, str]) -> None:
        if self._marks is not None:
            channel = await connection.channel()
            await channel.confirm_delivery()
            self.kept = await self._marks.all_there(channel, queues)
            if channel.is_open:
                channel.close()

    def close(self) -> None:
        """Publish no more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abortConnection()

    def _lost(self, connection: BrokerConnection, reason: object) -> None:
        """Note that we cannot publish any more, unless it is we who ended that."""
        if self._connection is connection:
            self.close()
            self._on_lost(reason)

    def _blocked(self, reason: str) -> None:
        """Say that no marker gets through."""
        log.warning(
            "the broker %s takes no markers for now, and no time is covered until it does: %s",
            self._broker,
            reason,
        )
