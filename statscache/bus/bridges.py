"""The copies that bridges between the buses make: each has the id of its original, and another time.

As fedmsg-migration-tools makes them. On the way from fedmsg to AMQP a message keeps its id with the year, which no
other message there has, and `sent-at` becomes the time of the copying. On the way back it gets a year before its id,
the time of the copying, and the name of the bridge as its `username`.
"""

from __future__ import annotations

from statscache.bus.interface import AMQP, FEDMSG
from statscache.messages.message import Message

#: The bridge from AMQP to fedmsg, in the name of which it sends.
BRIDGE = "amqp-bridge"


def original_bus(message: Message) -> str | None:
    """Return the bus that the original of a bridge's copy is on; None for what is no such copy."""
    if message.msg_id is None or message.msg_id == dict.get(message, "msg_id"):
        return None  # without a year before its id it is an original, or has another id than that
    if dict.get(message, "username") == BRIDGE:
        return AMQP
    return FEDMSG if _came_over_amqp(message) else None


def _came_over_amqp(message: Message) -> bool:
    """Return whether it is of the form that deliveries get, in which only headers say when it was sent."""
    headers = dict.get(message, "headers")
    return isinstance(headers, dict) and "sent-at" in headers
