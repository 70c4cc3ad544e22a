"""What a bus is to the process that listens to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from statscache.bus.watermark import Watermark

#: How the name of an endpoint ends that is not connected but bound: nobody knows whom to expect there.
BOUND = " (bound, so its publishers are not known)"
#: What the buses are called.
FEDMSG, AMQP = "fedmsg", "amqp"


class Kept(Protocol):
    """What a bus says of what it keeps for us while nobody listens."""

    #: By what it will know that it is still the same; empty while it cannot tell.
    keys: Mapping[str, str]

    def resume(self, second: int, keys: Mapping[str, str]) -> None:
        """Go on from a second up to which everything was heard and counted, if it is still the same."""
        ...


class Bus(Protocol):
    """Where messages come from. All is for the thread on which they come, but for `call`, `committed` and `waiting`."""

    @property
    def name(self) -> str:
        """What the bus is called."""
        ...

    @property
    def queues(self) -> Collection[str]:
        """Which of its queues are listened to, where it has any that have a name."""
        ...

    @property
    def kept(self) -> Kept | None:
        """What it keeps; None if it keeps nothing."""
        ...

    @property
    def no_room(self) -> Callable[[Mapping[str, Any], str], object] | None:
        """Called with a message that finds no room in the spool, and why, if the bus then keeps it and those after it.

        None if they are lost.
        """
        ...

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many messages wait in each of the broker's queues, by what it is called for people. From any thread.

        Empty where that is not known, or there is no broker.
        """
        ...

    def start(self, watermark: Watermark, position: Callable[[], int]) -> None:
        """Begin to report to the watermark up to when everything was heard.

        :param position: gives the position in the spool before which all lies that has come
        """
        ...

    def later(self, call: Callable[[], object]) -> object:
        """Have a function called once what there is to be read has been read."""
        ...

    def call(self, call: Callable[[], object]) -> object:
        """Have a function called on the thread on which messages come. From any thread."""
        ...

    def committed(self, position: int) -> None:
        """Note that the spool is committed up to a position. From any thread."""
        ...

    def drain(self) -> None:
        """Read what has arrived already."""
        ...

    def stop(self) -> None:
        """Receive nothing more."""
        ...

    def end(self) -> None:
        """End the loop in which messages are received, and with it the process."""
        ...
