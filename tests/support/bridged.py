"""Messages on two buses, as publishers send and as bridges copy them, and daemons on both."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from statscache.bus.interface import AMQP
from tests.support.bench import Bench

#: The second of which the messages are, long ago; the start of a minute.
START = 1_700_000_040
YEAR = "2023"


def canonical(number: int) -> str:
    """Return the id of a message."""
    return str(uuid.UUID(int=number, version=4))


def on_fedmsg(number: int, second: float, username: str = "apache") -> dict[str, Any]:
    """Return a message as a publisher on fedmsg sends it.

    :param second: from START on, as everywhere here
    """
    return {
        "topic": "org.fedoraproject.prod.bodhi.update.comment",
        "msg": {"word": f"m{number}"},
        "msg_id": f"{YEAR}-{canonical(number)}",
        "timestamp": START + second,
        "username": username,
        "i": number,
    }


def on_amqp(number: int, second: float, msg_id: str | None = None) -> dict[str, Any]:
    """Return a message as a publisher on AMQP sends it, as the body of the delivery."""
    sent = datetime.fromtimestamp(START + second, UTC).replace(microsecond=0)
    return {
        "topic": "org.fedoraproject.prod.bodhi.update.comment",
        "msg": {"word": f"m{number}"},
        "msg_id": msg_id or canonical(number),
        "timestamp": int(sent.timestamp()),
        "headers": {"fedora_messaging_schema": "base.message", "sent-at": sent.isoformat()},
    }


def copied_to_amqp(number: int, second: float) -> dict[str, Any]:
    """Return a message of fedmsg as the bridge passes it on to AMQP."""
    return on_amqp(number, second, f"{YEAR}-{canonical(number)}")


def copied_to_fedmsg(number: int, second: float) -> dict[str, Any]:
    """Return a message of AMQP as the bridge passes it on to fedmsg."""
    return on_fedmsg(number, second, "amqp-bridge")


#: By the bus that the original is on, what makes it and its copy on the other bus.
WAYS: dict[str, tuple[Callable[..., dict[str, Any]], Callable[..., dict[str, Any]]]] = {
    "fedmsg": (on_fedmsg, copied_to_amqp),
    "amqp": (on_amqp, copied_to_fedmsg),
}


class AmqpBus:
    """What a daemon asks of the bus AMQP without being started."""

    name = AMQP
    no_room: None = None
    kept: None = None
    queues = ()

    def committed(self, position: int) -> None:
        """Acknowledge nothing."""


class Both:
    """A daemon on each bus.

    :param make: makes benches, as the fixture `make_bench` does
    """

    def __init__(self, make: Callable[..., Bench], *classes: Any, **settings: Any) -> None:
        self._make = lambda bus, more: make(
            *classes, bus=AmqpBus() if bus == AMQP else None, **{**settings, **more}
        )
        self.fedmsg, self.amqp = self.make("fedmsg"), self.make(AMQP)
        self.fedmsg.keep_up()  # which lets it know of the other

    def make(self, bus: str, **more: Any) -> Bench:
        """Return another daemon."""
        return self._make(bus, more)

    def of(self, body: dict[str, Any]) -> Bench:
        """Return the daemon that hears a message."""
        return self.amqp if "headers" in body else self.fedmsg

    def send(self, *bodies: dict[str, Any], flush: bool = True) -> None:
        """Let messages come, each over its bus, and be written."""
        for body in bodies:
            assert self.of(body).intake.accept(body)
            if flush:
                self.of(body).flush()

    def kept(self) -> list[tuple[Any, ...]]:
        """Return number, original's bus and second of what is kept back."""
        rows = self.fedmsg.execute(
            "SELECT msg_id, bus, extract(epoch FROM timestamp)::bigint - :start FROM statscache_kept_back "
            "ORDER BY 3, 1",
            start=START,
        )
        return [(uuid.UUID(row[0]).int & 0xFFFF, *row[1:]) for row in rows]

    def time_is_over(self, *benches: Bench) -> None:
        """Let the time of all that is kept back be over, and the daemons do what is to be done then."""
        self.fedmsg.execute("UPDATE statscache_kept_back SET until = now()")
        for bench in benches or (self.fedmsg, self.amqp):
            bench.keep_up()

    def cells(self, table: str = "test_good") -> dict[str, list[tuple[int, int]]]:
        """Return the minutes from START on in which each word counts, and how often."""
        found: dict[str, list[tuple[int, int]]] = {}
        rows = self.fedmsg.execute(
            f"SELECT word, (extract(epoch FROM timestamp)::bigint - :start) / 60, volume FROM {table} ORDER BY 2",
            start=START,
        )
        for word, minute, volume in rows:
            found.setdefault(word, []).append((int(minute), volume))
        return found
