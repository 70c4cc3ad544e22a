"""The made-up traffic is like that of a real bus."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import Any

from statscache.demo.traffic import BURST_LENGTH, BURST_RATE, BURSTS, DAY, WEIGHTS, traffic
from statscache.messages.message import Message

START = 1_717_200_000.0
RULED = ("pagure", "git", "bodhi", "buildsys", "copr")


def some(count: int, seed: int = 1, rate: float = 50.0) -> list[dict[str, Any]]:
    """Return the first messages of a stream."""
    return list(islice(traffic(seed, START, rate), count))


def test_a_seed_repeats_a_run_and_another_does_not() -> None:
    """The same seed gives the same messages, another seed others."""
    assert some(500) == some(500)
    assert some(500) != some(500, seed=2)


def test_messages_are_complete_and_in_order() -> None:
    """Each message is acceptable JSON with an id of its own, and timestamps do not go back."""
    messages = some(5_000)
    assert len({message["msg_id"] for message in messages}) == len(messages)
    times = [message["timestamp"] for message in messages]
    assert times == sorted(times)
    assert all(Message(json.loads(json.dumps(message))).category in WEIGHTS for message in messages)


def test_the_rate_over_a_day_is_the_one_asked_for_with_bursts_on_top() -> None:
    """A day has as many messages as the rate says, and those of the bursts."""
    messages = traffic(3, START, 0.5)
    count = sum(1 for _ in iter(lambda: next(messages)["timestamp"] < START + DAY, False))
    usual = 0.5 * DAY
    assert 0.95 * usual < count < 1.05 * usual + 0.5 * 2 * BURSTS * BURST_LENGTH * BURST_RATE


def test_categories_have_their_shares() -> None:
    """Outside bursts, which are all builds, categories are as common as their weights say."""
    counts = Counter(Message(message).category for message in some(20_000))
    builds = counts.pop("buildsys")
    assert builds > sum(counts.values())
    others = sum(weight for category, weight in WEIGHTS.items() if category != "buildsys")
    for category in ("copr", "github", "git", "bodhi"):
        share = counts[category] / sum(counts.values())
        assert abs(share - WEIGHTS[category] / others) < 0.02, category


def test_a_burst_comes_now_and_then() -> None:
    """Somewhere in a day there are seconds with far more messages than usual, all builds."""
    per_second = Counter(int(message["timestamp"]) for message in some(120_000, rate=2.0))
    busy = [second for second, count in per_second.items() if count > 12]
    assert len(busy) > 10


def test_messages_name_users_and_packages() -> None:
    """Nearly all messages of the categories that the rules cover name somebody, and half a package."""
    messages = [Message(message) for message in some(5_000)]
    ruled = [message for message in messages if message.category in RULED]
    assert sum(bool(message.usernames) for message in ruled) > 0.95 * len(ruled)
    assert sum(bool(message.packages) for message in ruled) > 0.5 * len(ruled)
