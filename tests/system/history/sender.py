"""Sends messages over the bus and to the archive, on a thread of its own."""

from __future__ import annotations

import heapq
import math
import random
import threading
import time
from collections.abc import Iterable
from itertools import count

from tests.support.hub import Bus
from tests.support.reference import Body, usable
from tests.system.datagrepper import Archive
from tests.system.datagrepper.rows import as_row
from tests.system.history.messages import Source
from tests.system.torture.check import ident

#: How many seconds after its time a late message comes over the bus, and any into the archive.
BUS_DELAY, ARCHIVE_DELAY = (1.4, 2.2), (0.0, 1.2)
#: A message comes about so often, in seconds, and such shares of them come late, and again.
EVERY, LATE, AGAIN = 0.06, 0.4, 0.1


class Sender:
    """Sends what it makes, and what it is given; keeps all that the archive gets sooner or later.

    :param exact: whether the archive gives messages as they were sent. Otherwise it gives an id to those that have
        none, so that nobody could tell that one from the bus is the same: these are not sent over the bus, and are
        only of times when no daemon listened.
    """

    def __init__(
        self, bus: Bus, archive: Archive, source: Source, chance: random.Random, exact: bool
    ) -> None:
        self._bus, self._archive, self._source, self._chance = bus, archive, source, chance
        self._exact = exact
        self._due: list[tuple[float, int, Body]] = []
        self._numbers = count()
        self._stop = threading.Event()
        self._thread = threading.Thread()
        self._lock = threading.Lock()
        #: What was sent, by the id that it is known by in the end.
        self.sent: dict[str, Body] = {}
        #: The last second of which there is a message.
        self.last = math.floor(time.time())

    def begin(self) -> None:
        """Send messages of the present until told to end."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Send no more."""
        self._stop.set()
        self._thread.join()

    def archive(self, bodies: Iterable[Body], instant: float = 0.0) -> None:
        """Let messages be in the archive from an instant on."""
        bodies = list(filter(usable, bodies))
        self._archive.add(bodies, instant=instant)
        known = map(self._known, bodies)
        with self._lock:
            self.sent |= {ident(body): body for body in known}

    def post(self, body: Body, delay: float = 0.0) -> None:
        """Let a message come over the bus after so many seconds, and perhaps once more at once."""
        if not (self._exact or body.get("msg_id") or not usable(body)):
            return
        with self._lock:
            for _ in range(1 + (self._chance.random() < AGAIN)):
                heapq.heappush(self._due, (time.monotonic() + delay, next(self._numbers), body))

    def _known(self, body: Body) -> Body:
        """Return the message with the id that the archive gives it."""
        return {**body, "msg_id": as_row(body)["msg_id"]} if usable(body) and not self._exact else body

    def _run(self) -> None:
        while not self._stop.wait(self._chance.uniform(0, 2 * EVERY)):
            self._make()
            self._send(time.monotonic())
        self._send(math.inf)

    def _make(self) -> None:
        now = time.time()
        self.last = math.floor(now)
        for _ in range(self._chance.choice([1, 1, 1, 4])):
            body = self._known(self._source.at(now))
            late = self._chance.random() < LATE
            self.archive([body], now + self._chance.uniform(*ARCHIVE_DELAY))
            self.post(body, self._chance.uniform(*BUS_DELAY) if late else 0.0)

    def _send(self, now: float) -> None:
        with self._lock:
            while self._due and self._due[0][0] <= now:
                self._bus.send(heapq.heappop(self._due)[2])
