"""What a scenario sends: made-up traffic with duplicates, in disorder, late, and some that plugins cannot digest."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from statscache.demo.traffic import traffic
from tests.system.torture.lives import FIRST, SHARE, Lives

Body = dict[str, Any]

#: Shares of all messages.
TWICE, LATE, NAMELESS, ODD = 0.1, 0.05, 0.02, 0.01
#: The share of those whose timestamp is of the time when they are sent; all others are years old.
PRESENT = 0.7
#: How many seconds old such a message may be when it is sent, and when it is late.
AGE, AGE_LATE = 1.0, 20.0
#: A topic with this in it is refused by a constraint that the suite puts on a table.
POISON, POISONED = "poison", "data_volume_by_topic_1m"
PROD = "org.fedoraproject.prod"


def make(seed: int, count: int, odd: bool = True, share: float = SHARE) -> list[Body]:
    """Return so many messages in the order in which they are sent.

    :param odd: whether some are such that plugins cannot digest them, or that do not count at all
    :param share: how many are about things that begin and end many times
    """
    chance = random.Random(f"messages {seed}")
    lives = Lives(random.Random(f"lives {seed}"), share)
    fresh = islice(traffic(seed, 1_700_000_000 + 86_400.0 * seed, 40.0), round(count / (1 + TWICE)))
    bodies = [vary(chance, lives.replace(body), odd) for body in fresh]
    again = [(_place(chance, at, 3_000), bodies[at]) for at in chance.choices(range(len(bodies)), k=count)]
    placed = [
        *((_place(chance, at, 30), body) for at, body in enumerate(bodies)),
        *again[: count - len(bodies)],
    ]
    return [body for _, body in sorted(placed, key=lambda pair: pair[0])]


class Dating:
    """Gives messages timestamps of the time when they are sent, and all copies of a message the same.

    :param rate: how many are sent a second
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._chance = random.Random(f"times {seed}")
        self._rate = rate
        self._dated: dict[
            int, tuple[Body, Body]
        ] = {}  # with the message itself, whose address is then its own

    def date(self, bodies: Sequence[Body], begin: float) -> list[Body]:
        """Return the messages as they are sent.

        :param begin: when the first is sent, in seconds since 1970
        """
        for number, body in enumerate(bodies):
            if id(body) not in self._dated:
                self._dated[id(body)] = body, _dated(self._chance, body, begin + number / self._rate)
        return [self._dated[id(body)][1] for body in bodies]


def _dated(chance: random.Random, body: Body, sent: float) -> Body:
    """Return the message with a timestamp of a moment before it is sent, if it is to have one of the present."""
    given = body.get("timestamp")
    age = chance.random() * (AGE_LATE if chance.random() < LATE else AGE)
    if chance.random() >= PRESENT or not isinstance(given, int | float) or is_past(body):
        return body
    when = round(sent - age, 6)
    return {**body, "timestamp": math.floor(when) if isinstance(given, int) else when}


def is_past(body: Body) -> bool:
    """Return whether a message is of years ago, before all others, whenever it is sent."""
    when = body.get("timestamp")
    return isinstance(when, int | float) and when < FIRST


def _place(chance: random.Random, at: int, disorder: int) -> float:
    """Return where a message comes: near its place, or long after it."""
    return at + chance.random() * (20_000 if chance.random() < LATE else disorder)


def vary(chance: random.Random, body: Body, odd: bool) -> Body:
    """Return the message, or one made of it that is odd, or has no id, or no fraction of a second."""
    draw = chance.random()
    if odd and draw < ODD:
        return chance.choice(ODDITIES)(body)
    if draw < ODD + NAMELESS and body["topic"].split(".")[3] in ("github", "copr", "bugzilla"):
        rest = {key: value for key, value in body.items() if key != "msg_id"}
        return {**rest, "msg": {**body["msg"], "unique": body["i"]}}
    if draw > 0.9:
        return {**body, "timestamp": int(body["timestamp"])}
    return body


def _with(topic: str, **msg: Any) -> Callable[[Body], Body]:
    return lambda body: {**body, "topic": f"{PROD}.{topic}", "msg": msg}


ODDITIES: list[Callable[[Body], Body]] = [
    _with("fedimg.image.upload", status="completed"),
    _with("bodhi.updates.fedora.sync", release="41"),
    _with("buildsys.task.state.change", owner="masher", method="livecd", new="OPEN"),
    _with("compose.rawhide.start", arch="a\0b"),
    _with("copr.chroot.start", build=1, chroot="long" * 1_000, user="maple"),
    _with("copr.build.end", build=1, chroot="a\0b", status=1),
    _with(
        "bodhi.update.request.testing",
        agent="maple",
        update={"alias": "x" * 1_900, "release": {"name": "F41"}},
    ),
    _with("bodhi.update.comment", agent="maple", comment={"user": {"name": "pine"}, "text": "works"}),
    _with("odd.to\0pic"),
    _with("o\0dd.topic"),
    _with("odd." + "long" * 1_000),
    _with("copr.build.end", user="\ud800", owner="maple", pkg="x"),
    _with(f"odd.{POISON}.a"),
    _with(f"odd.{POISON}.b"),
    _with("odd.number", value=float("nan"), text="a\0b \ud800"),
    lambda body: {**body, "topic": f"{PROD}.compose.branched.complete", "msg": ["a", "list"]},
    lambda body: {**body, "topic": "short.topic"},
    lambda body: {**body, "msg_id": "x" * 300, "msg": {"unique": body["i"]}},
    lambda body: {**body, "timestamp": "2023-11-14"},
    lambda body: {key: value for key, value in body.items() if key != "timestamp"},
]
