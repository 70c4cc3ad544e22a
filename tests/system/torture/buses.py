"""What a scenario's messages are sent by: fedmsg, a broker, or both with bridges between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.support import hub
from tests.system.torture.fleet import Slot
from tests.system.torture.messages import Body
from tests.system.torture.scenario import Scenario

if TYPE_CHECKING:
    from tests.system.torture.broker import BrokerBus

#: Makes a place for daemons, of a kind, with a name, what they listen to, and the settings in which they differ.
MakeSlot = Callable[[type[Slot], str, Any, dict[str, Any]], Slot]


class Bus(Protocol):
    """What messages are sent by, and daemons listen to."""

    @property
    def broker(self) -> BrokerBus | None:
        """The broker, where there is one."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What commands must know of it."""
        ...

    def slots(self, make: MakeSlot) -> list[Slot]:
        """Return the places of the daemons that listen to it."""
        ...

    def open(self, command: Callable[..., str]) -> None:
        """Make what must be there before the first daemon starts.

        :param command: runs a statscache command
        """
        ...

    def wait_for_subscriber(self) -> None:
        """Wait until what is sent from now on is heard."""
        ...

    def send(self, bodies: Sequence[Body]) -> Iterable[Body]:
        """Send messages, and return those that are now wherever daemons must find them to call their time complete."""
        ...

    def finish(self) -> Iterable[Body]:
        """Send what was kept back, and return the same."""
        ...

    def keeps(self, body: Body) -> bool:
        """Return whether a message that was sent must be counted, whatever was killed meanwhile."""
        ...

    @property
    def waiting(self) -> int:
        """How much is in it that no daemon has taken yet, as far as anybody knows."""
        ...

    def left(self) -> list[str]:
        """Return, when all daemons have ended, what is in it that they should have taken."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class FedmsgBus:
    """fedmsg, to which hubs listen.

    :param hubs: for each of them the settings in which it differs
    """

    broker = None
    #: What is in a socket nobody sees.
    waiting = 0

    def __init__(self, publisher: hub.Bus, hubs: Sequence[dict[str, Any]] = ()) -> None:
        self._publisher = publisher
        self._hubs = hubs
        self.settings: dict[str, Any] = {}

    def slots(self, make: MakeSlot) -> list[Slot]:
        """Return the places of the hubs."""
        return [make(Slot, f"hub-{n}", self._publisher, own) for n, own in enumerate(self._hubs)]

    def open(self, command: Callable[..., str]) -> None:
        """Do nothing: a publisher is all there is to it."""

    def wait_for_subscriber(self) -> None:
        """Wait until a hub listens: what is sent before is lost."""
        self._publisher.wait_for_subscriber()

    def send(self, bodies: Sequence[Body]) -> Sequence[Body]:
        """Send messages."""
        for body in bodies:
            self._publisher.send_frames([body["topic"].encode(), json.dumps(body).encode()])
        return bodies

    def finish(self) -> Sequence[Body]:
        """Do nothing: nothing was kept back."""
        return ()

    def keeps(self, body: Body) -> bool:
        """Return False: what is in the sockets of a hub that is killed is lost."""
        return False

    def left(self) -> list[str]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Send no more."""
        self._publisher.close()


def make_bus(scenario: Scenario, seed: int, directory: Path) -> Bus:
    """Make what a scenario is played on.

    :param directory: for the files of a broker
    """
    if not scenario.consumers:
        return FedmsgBus(hub.Bus(), scenario.hubs)
    from tests.system.torture.bridges import BothBuses
    from tests.system.torture.broker import BrokerBus

    broker = BrokerBus(scenario, directory)
    if not scenario.hubs:
        return broker
    return BothBuses(FedmsgBus(hub.Bus(), scenario.hubs), broker, scenario, seed)
