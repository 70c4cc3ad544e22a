"""The made-up traffic as fedora-messaging would send it."""

from __future__ import annotations

from itertools import islice

from statscache.demo.amqp import payload_of, properties_of
from statscache.demo.traffic import traffic
from statscache.messages.delivery import body_of
from statscache.messages.message import Message


def test_a_delivery_is_the_message_that_a_hub_would_get() -> None:
    """With the same id, second, content, users and packages; it outlives a restart of the broker."""
    for sent in islice(traffic(1, 1_717_200_000.0, 50.0), 2000):
        properties = properties_of(sent)
        came = body_of(sent["topic"], properties.message_id, properties.headers, payload_of(sent))
        over_amqp, over_fedmsg = Message(came), Message(sent)
        assert (over_amqp.id, over_amqp.second, over_amqp["msg"]) == (
            over_fedmsg.id,
            over_fedmsg.second,
            over_fedmsg["msg"],
        )
        assert over_amqp.usernames == over_fedmsg.usernames
        assert over_amqp.packages == over_fedmsg.packages
        assert properties.delivery_mode == 2
        assert properties.headers["fedora_messaging_schema"] == "base.message"
