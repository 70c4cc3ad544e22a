"""Made-up messages in the shapes and shares of Fedora's bus, for demos and measurements."""

from __future__ import annotations

import random
import uuid
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from statscache.demo.cast import Cast
from statscache.demo.messages import MAKERS

#: Of a hundred messages, how many are of each category: estimates fitted to what is known of the real bus.
WEIGHTS = {
    "buildsys": 52.0,
    "copr": 20.0,
    "github": 6.0,
    "bugzilla": 6.0,
    "mailman": 4.0,
    "git": 3.0,
    "bodhi": 2.5,
    "pagure": 2.0,
    "fedbadges": 1.0,
    "anitya": 0.4,
    "askbot": 0.3,
    "wiki": 0.3,
    "meetbot": 0.2,
    "compose": 0.1,
    "pungi": 0.05,
    "fedimg": 0.05,
    "planet": 0.05,
}
#: How busy each hour of the day in UTC is, the mean being about one.
HOURS = [0.8, 0.75, 0.7, 0.7, 0.75, 0.8, 0.9, 1.0, 1.1, 1.15, 1.15, 1.1]
HOURS += [1.2, 1.3, 1.35, 1.35, 1.3, 1.25, 1.15, 1.1, 1.0, 0.95, 0.9, 0.85]
MEAN = sum(HOURS) / 24
#: A burst begins about so many times a day, and sends at so many times the usual rate for so many seconds.
BURSTS, BURST_RATE, BURST_LENGTH = 20, 5.0, 45.0
DAY = 86400.0


def traffic(seed: int, start: float, rate: float) -> Iterator[dict[str, Any]]:
    """Yield messages without end, each a complete body as a hub hands it to a consumer.

    They are in the order of their timestamps, which fall at random, more by day than by night, with a burst of
    builds now and then.

    :param seed: the same seed, start and rate give the same messages
    :param start: when the first may come, in epoch seconds
    :param rate: messages a second in mean, bursts apart
    """
    chance = random.Random(f"{seed} {start!r}")  # other ids at another start
    cast = Cast(chance)
    categories, shares = list(WEIGHTS), list(accumulate(WEIGHTS.values()))
    when, burst_end, count = start, 0.0, 0
    while True:
        usual = rate * HOURS[int(when % DAY // 3600)] / MEAN
        wait = chance.expovariate(usual * BURST_RATE if when < burst_end else usual)
        when += wait
        if when >= burst_end and chance.random() < BURSTS * wait / DAY:
            burst_end = when + BURST_LENGTH
        in_burst = when < burst_end
        category = "buildsys" if in_burst else categories[bisect(shares, chance.random() * shares[-1])]
        count += 1
        yield _message(category, cast, when, count)


def _message(category: str, cast: Cast, when: float, count: int) -> dict[str, Any]:
    topic, sender, msg = MAKERS[category](cast)
    prefix = "io.pagure.prod" if category == "pagure" else "org.fedoraproject.prod"
    ident = uuid.UUID(int=cast.chance.getrandbits(128), version=4)
    return {
        "topic": f"{prefix}.{topic}",
        "msg": msg,
        "msg_id": f"{datetime.fromtimestamp(when, UTC).year}-{ident}",
        "timestamp": round(when, 6),
        "username": sender,
        "i": count,
    }
