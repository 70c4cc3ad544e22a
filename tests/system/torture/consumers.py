"""The daemons on AMQP of a scenario."""

from __future__ import annotations

from tests.support.consumer import Consumer
from tests.system.torture.fleet import Slot

#: The steps of such a daemon that others have not: between a commit and its acknowledgement, when a marker is back, and
#: when it connects.
UNACKNOWLEDGED = (
    "after commit",
    "before tell",
    "after tell",
    "before acknowledge",
    "before ack",
    "after ack",
)
HEARING = ("before marker", "after marker")
CONNECTING = ("before open", "after open")


class ConsumingVictim(Consumer):
    """A daemon on AMQP that logs what it accepts and takes orders."""

    script = "from tests.system.torture.consuming import main; main()"


class ConsumerSlot(Slot):
    """A place for such daemons, which listen to one queue."""

    victim = ConsumingVictim
    steps = (*UNACKNOWLEDGED, *HEARING)
    first_steps = CONNECTING

    @property
    def queue(self) -> str:
        """The queue."""
        return str(self.settings["statscache.amqp.queues"][0])

    def _was_running(self) -> bool:
        """Return whether it has ever come to consume: one that the broker refuses before has only not started."""
        return self.hub is not None and super()._was_running() and "connected to " in self.hub.log
