"""Sends the messages of a scenario at a steady rate, and remembers when each was sent first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from tests.system.torture.buses import Bus
from tests.system.torture.messages import Body

#: So many are sent at once.
TOGETHER = 20


class Publisher:
    """Sends messages.

    :param rate: how many a second
    """

    def __init__(self, bus: Bus, rate: float) -> None:
        self._bus = bus
        self._rate = rate
        self._sent: dict[
            int, tuple[Body, float]
        ] = {}  # with the message itself, whose address is then its own
        #: Whether messages are being sent.
        self.is_sending = False
        #: Set when half of them is sent.
        self.half = threading.Event()
        #: When the last was sent, in seconds since 1970.
        self.last = 0.0

    def publish(self, bodies: Sequence[Body], begin: float) -> None:
        """Send messages.

        :param begin: when the first is sent, in seconds since 1970
        """
        try:
            self._publish(bodies, begin)
        finally:
            self.half.set()
            self.is_sending = False

    def _publish(self, bodies: Sequence[Body], begin: float) -> None:
        time.sleep(max(begin - time.time(), 0))
        start = time.monotonic()
        for number in range(0, len(bodies), TOGETHER):
            time.sleep(max(start + number / self._rate - time.monotonic(), 0))
            if number > len(bodies) // 2:
                self.half.set()
            self._note(self._bus.send(bodies[number : number + TOGETHER]))
        self._note(self._bus.finish())

    def _note(self, sent: Iterable[Body]) -> None:
        self.last = time.time()
        for body in sent:
            self._sent.setdefault(id(body), (body, self.last))

    def know_as(self, body: Body, other: Body) -> None:
        """Know of another message that it was sent when this one was."""
        if id(body) in self._sent:
            self._sent[id(other)] = other, self._sent[id(body)][1]

    def age(self, body: Body) -> float | None:
        """Return how many seconds old a message was when it was sent first; None if it has not been sent."""
        sent = self._sent.get(id(body))
        return None if sent is None else sent[1] - body["timestamp"]
