"""A bridge's copy of a message is told from the message itself, by what bridges leave in it."""

from __future__ import annotations

from typing import Any

import pytest

from statscache.bus.bridges import original_bus
from statscache.bus.interface import AMQP, FEDMSG
from statscache.messages.delivery import body_of
from statscache.messages.message import Message
from tests.support.bridged import canonical, copied_to_amqp, copied_to_fedmsg, on_amqp, on_fedmsg

ORIGINALS = [
    on_fedmsg(1, 0),
    on_amqp(1, 0),
    on_amqp(1, 0, "an id of a publisher's own"),
    {**on_fedmsg(1, 0), "headers": {}},
    {**copied_to_fedmsg(1, 0), "msg_id": "2023-1"},  # nothing tells which message it copies
    {**copied_to_fedmsg(1, 0), "msg_id": None},
    {**on_fedmsg(1, 0), "username": ["amqp-bridge"]},
]


@pytest.mark.parametrize(
    ("body", "bus"),
    [
        (copied_to_amqp(1, 0), FEDMSG),
        (copied_to_fedmsg(1, 0), AMQP),
        (body_of("t", f"2023-{canonical(1)}", {"sent-at": "2023-11-14T22:14:00+00:00"}, b"{}"), FEDMSG),
    ],
)
def test_a_copy_tells_on_which_bus_its_original_is(body: dict[str, Any], bus: str) -> None:
    """On AMQP by the year that its id has kept, on fedmsg by the name of the bridge."""
    message = Message(body)
    assert message.msg_id == canonical(1)
    assert original_bus(message) == bus


@pytest.mark.parametrize("body", ORIGINALS)
def test_an_original_is_no_copy(body: dict[str, Any]) -> None:
    """Nor is what cannot be the copy of any message that is known by another id."""
    assert original_bus(Message(body)) is None
