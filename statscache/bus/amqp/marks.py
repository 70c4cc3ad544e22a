"""Whether a queue is still the one that it was: one that was deleted and made again lacks the mark that we gave it.

A mark is a binding under a key that nobody else has. It goes with the queue, and a message that is sent by it comes
back if it is gone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from pika.adapters.twisted_connection import TwistedChannel
from pika.exceptions import ChannelClosedByBroker, UnroutableError

from statscache.bus.amqp.markers import probe

log = logging.getLogger(__name__)

#: The exchange that queues are bound to, which each broker has.
EXCHANGE = "amq.direct"


class Marks:
    """The marks of our queues."""

    def __init__(self) -> None:
        #: The key of each queue, by its configured name; nobody changes what this holds.
        self.keys: Mapping[str, str] = {}
        self._since: int | None = None

    def resume(self, second: int, keys: Mapping[str, str]) -> None:
        """Go on from a second up to which everything was heard, if queues have these keys."""
        self._since, self.keys = second, keys

    def take_since(self) -> int | None:
        """Return, once, the second from which to go on; None for now."""
        since, self._since = self._since, None
        return since

    async def all_there(self, channel: TwistedChannel, queues: Mapping[str, str]) -> bool:
        """Return whether all queues have the marks that they had; those that have not get new ones.

        :param channel: one that confirms, and that may be closed by this
        :param queues: what each queue is called on the broker, by its configured name
        """
        keys = {}
        try:
            for queue in queues:
                if queue in self.keys and await _leads_somewhere(channel, self.keys[queue]):
                    keys[queue] = self.keys[queue]
            there = keys.keys() == queues.keys()
            for queue in queues.keys() - keys.keys():
                keys[queue] = f"statscache {uuid.uuid4()}"
                await channel.queue_bind(queues[queue], EXCHANGE, routing_key=keys[queue])
        except ChannelClosedByBroker as error:
            log.warning("queues cannot be marked, and no time away is covered: %s", error.reply_text)
            self.keys = {}
            return False
        self.keys = keys
        return there


async def _leads_somewhere(channel: TwistedChannel, key: str) -> bool:
    try:
        await channel.basic_publish(EXCHANGE, key, b"", properties=probe(), mandatory=True)
    except UnroutableError:
        return False
    return True
