"""Numbered messages of our own, which we send through our own queue: when one has come back, all before it has come.

An empty queue proves little: a quorum queue without a leader says 0, what others have not acknowledged is not in it,
and a busy queue is never empty.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pika

from statscache.process.clocks import Reading

#: The header that tells a marker from a message.
HEADER = "statscache-marker"
#: After so many seconds a marker that nobody took is of no use: it would only fill the queue.
EXPIRES_MS = "86400000"


@dataclass(frozen=True)
class Marker:
    """A message of our own.

    :param sender: who has sent it, anew with each channel
    :param number: counts from 1, without a hole
    """

    sender: str
    number: int


def marker_of(properties: pika.BasicProperties) -> Marker | None:
    """Return the marker that a delivery is; None for a message. Somebody else's is a marker, too."""
    headers = properties.headers
    value = headers.get(HEADER) if headers else None
    if not isinstance(value, str):
        return None
    sender, _, number = value.rpartition(" ")
    return Marker(sender, int(number) if number.isdecimal() and len(number) < 19 else 0)


def probe() -> pika.BasicProperties:
    """Return the properties of a marker that says nothing, which shows whether we may send one."""
    return _properties("probe", 0)


def _properties(sender: str, number: int) -> pika.BasicProperties:
    headers = {HEADER: f"{sender} {number}"}
    return pika.BasicProperties(headers=headers, delivery_mode=1, expiration=EXPIRES_MS, app_id="statscache")


class Markers:
    """Those that we have sent into one queue, and are not back."""

    def __init__(self) -> None:
        self._sender = str(uuid.uuid4())
        #: That of the last one.
        self.number = 0
        self._queued: set[int] = set()
        self._last = 0
        self._sent: dict[int, Reading] = {}

    def next(self, now: Reading) -> pika.BasicProperties:
        """Return the properties of the next marker.

        :param now: what the clocks show as it is sent
        """
        self.number += 1
        self._sent[self.number] = now
        return _properties(self._sender, self.number)

    def taken(self, number: int) -> None:
        """Note that the broker has one in the queue: what it refuses, or has not read, is not there."""
        if number in self._sent:
            self._queued.add(number)

    def is_ours(self, marker: Marker) -> bool:
        """Return whether it is one of those that we have sent by the present channel."""
        return marker.sender == self._sender and marker.number in self._sent

    def back(self, marker: Marker) -> tuple[Reading, bool]:
        """Note that one of ours is back.

        :return: what the clocks showed when it was sent, and whether all before it are back, too
        """
        whole = marker.number == self._last + 1
        self._last = marker.number
        sent = self._sent[marker.number]
        self._sent = {number: other for number, other in self._sent.items() if number > marker.number}
        self._queued.intersection_update(self._sent)
        return sent, whole

    @property
    def underway(self) -> int:
        """How many are not back."""
        return len(self._sent)

    @property
    def queued(self) -> int:
        """How many of those are known to be in the queue."""
        return len(self._queued)
