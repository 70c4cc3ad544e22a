"""fedmsg and a broker, each with messages of its own, and bridges that copy from one to the other."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.system.torture.broker import BrokerBus
from tests.system.torture.buses import FedmsgBus, MakeSlot
from tests.system.torture.fleet import Slot
from tests.system.torture.messages import Body
from tests.system.torture.scenario import Scenario

#: Whether copies have the time of what they are copied from, and not that of the copying, as real ones have:
#: where a hub is killed, nobody here knows which of the two times counts.
COPIES_KEEP_TIME = True
#: The share of the messages that are sent on fedmsg first, and of those that are copied where not all are.
ON_FEDMSG, COPIED = 0.5, 0.6
#: So many times at most something else is sent before a copy is.
DELAY = 4


class BothBuses:
    """Two buses with bridges in both directions.

    Where the buses are said to be alike, everything is copied, and a message is sent once it is on both. Else some are
    on one bus alone, and one that is copied is sent once it is on the first.
    """

    def __init__(self, fedmsg: FedmsgBus, broker: BrokerBus, scenario: Scenario, seed: int) -> None:
        self._fedmsg = fedmsg
        #: The broker.
        self.broker = broker
        self.settings = broker.settings
        self._alike = bool(scenario.settings.get("statscache.buses.alike"))
        self._chance = random.Random(f"bridges {seed}")
        self._routes: dict[
            int, tuple[Body, bool, bool]
        ] = {}  # with the message, whose address is then its own
        self._held: list[tuple[int, Body]] = []
        self._turn = 0

    def slots(self, make: MakeSlot) -> list[Slot]:
        """Return the places of the hubs, and of the daemons on AMQP."""
        return [*self._fedmsg.slots(make), *self.broker.slots(make)]

    def open(self, command: Callable[..., str]) -> None:
        """Make what must be there before the first daemon starts."""
        self.broker.open(command)

    def wait_for_subscriber(self) -> None:
        """Wait until a hub listens."""
        self._fedmsg.wait_for_subscriber()

    def send(self, bodies: Sequence[Body]) -> Iterable[Body]:
        """Send messages, and the copies that are due."""
        self._turn += 1
        self._fedmsg.send([body for body in bodies if self._is_fedmsgs(body)])
        self.broker.send([body for body in bodies if not self._is_fedmsgs(body)])
        copied = [body for body in bodies if self._is_copied(body)]
        self._held += [(self._turn + self._chance.randint(0, DELAY), body) for body in copied]
        sent = self._copy([body for turn, body in self._held if turn <= self._turn])
        self._held = [(turn, body) for turn, body in self._held if turn > self._turn]
        return sent if self._alike else bodies

    def finish(self) -> Iterable[Body]:
        """Send the copies that were kept back."""
        held, self._held = self._held, []
        sent = self._copy([body for _, body in held])
        return sent if self._alike else ()

    def _copy(self, bodies: Sequence[Body]) -> Sequence[Body]:
        self.broker.copy([to_amqp(body) for body in bodies if self._is_fedmsgs(body)])
        self._fedmsg.send([to_fedmsg(body) for body in bodies if not self._is_fedmsgs(body)])
        return bodies

    def keeps(self, body: Body) -> bool:
        """Return whether it is in a queue of the broker, from there or as a copy."""
        return self._is_copied(body) or not self._is_fedmsgs(body)

    def _is_fedmsgs(self, body: Body) -> bool:
        return self._route(body)[0]

    def _is_copied(self, body: Body) -> bool:
        return self._route(body)[1]

    def _route(self, body: Body) -> tuple[bool, bool]:
        """Return whether a message is sent on fedmsg first, and whether it is copied.

        Without an id, only on one: whoever publishes on these buses gives each an id, and bridges need it.
        """
        if id(body) not in self._routes:
            copied = "msg_id" in body and (self._alike or self._chance.random() < COPIED)
            self._routes[id(body)] = body, self._chance.random() < ON_FEDMSG, copied
        return self._routes[id(body)][1:]

    @property
    def waiting(self) -> int:
        """How much is in the broker's queues."""
        return self.broker.waiting

    def left(self) -> list[str]:
        """Return which queues of the broker hold messages."""
        return self.broker.left()

    def close(self) -> None:
        """End both."""
        self._fedmsg.close()
        self.broker.close()


def to_amqp(body: Body) -> Body:
    """Return the copy that the bridge makes of a message of fedmsg: with the same id."""
    return copied(body)


def to_fedmsg(body: Body) -> Body:
    """Return the copy that the bridge makes of a message of AMQP: with the year in its id."""
    year = datetime.now(UTC).year
    ident = body["msg_id"].partition("-")[2]
    return {**copied(body), "msg_id": f"{year}-{ident}", "username": "amqp-bridge"}


def copied(body: Body) -> dict[str, Any]:
    """Return a copy, with the time that copies have."""
    return dict(body) if COPIES_KEEP_TIME else {**body, "timestamp": time.time()}
