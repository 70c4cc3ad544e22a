"""What a message tells: when, what about, by which id, and whom it names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.errors import Rejected
from statscache.messages.message import END_OF_TIME, Message
from statscache.messages.rule import category_of
from tests.support.messages import TOPIC, example, json_values, make, usable_times


@pytest.mark.parametrize(
    "name", ["topic", "timestamp", "second", "when", "category", "usernames", "id", "new"]
)
def test_what_it_tells_cannot_be_changed_either(name: str) -> None:
    """An attribute can neither be set nor deleted, so no plugin changes what the next one reads."""
    message = make()
    told = getattr(message, name, None)
    with pytest.raises(TypeError, match="cannot be changed"):
        setattr(message, name, "other")
    with pytest.raises(TypeError, match="cannot be changed"):
        delattr(message, name)
    assert getattr(message, name, None) == told


@given(usable_times)
def test_when_is_the_timestamp_in_utc_to_the_microsecond(timestamp: float) -> None:
    """`when` is aware, at most a microsecond off, and in the whole second that `second` names."""
    message = make(timestamp=timestamp)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert message.when.tzinfo is UTC
    assert (message.when - epoch) // timedelta(seconds=1) == message.second == math.floor(timestamp)
    off = (message.when - epoch - timedelta(seconds=message.second)).total_seconds() - (
        timestamp - message.second
    )
    assert abs(off) <= 1e-6


@pytest.mark.parametrize(
    ("timestamp", "when"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (-0.0, "1970-01-01T00:00:00+00:00"),
        (5e-324, "1970-01-01T00:00:00+00:00"),
        (1451606400.75, "2016-01-01T00:00:00.750000+00:00"),
        (1451606399.9999998, "2015-12-31T23:59:59.999999+00:00"),
        (253402300799, "9999-12-31T23:59:59+00:00"),
        (253402300799.99997, "9999-12-31T23:59:59.999969+00:00"),
    ],
)
def test_when_at_the_edges(timestamp: float, when: str) -> None:
    """A fraction is never rounded up into the next second, nor past the last year."""
    assert make(timestamp=timestamp).when.isoformat() == when


@pytest.mark.parametrize(
    ("topic", "category"),
    [
        (TOPIC, "bodhi"),
        ("org.fedoraproject.prod.pagure", "pagure"),
        ("io.pagure.prod", None),
        ("x", None),
        ("a.b.c.", ""),
        ("a.b.c.d\0.e", "d\0"),
        ("/topic.VirtualTopic.eng.brew.build.complete", "eng"),
        ("VirtualTopic.eng.brew", "brew"),
        ("org.fedoraproject.prod.bodhi.VirtualTopics", "prod"),
        ("VirtualTopic.eng", None),
        ("a.VirtualTopic.", ""),
    ],
)
def test_the_category_is_the_one_that_datanommer_gives(topic: str, category: str | None) -> None:
    """The fourth part, or the third of a VirtualTopic; a topic of fewer parts has none."""
    assert category_of({"topic": topic}) == (category or "")
    assert make(topic=topic).category == category


@pytest.mark.parametrize("msg_id", ["a", "2016-c8b2", "x" * 200, "é ü", "𝄞"])
def test_a_usable_msg_id_is_the_id(msg_id: str) -> None:
    """1 to 200 printable characters are taken as they are."""
    assert make(msg_id=msg_id).id == make(msg_id=msg_id).msg_id == msg_id


@pytest.mark.parametrize("msg_id", [None, "", "x" * 201, "a\tb", "\u2028", "\ud800", 7, 1.5, False, [], {}])
def test_without_a_usable_msg_id_the_id_is_a_hash(msg_id: Any) -> None:
    """Anything else as `msg_id` is as good as none."""
    assert make(msg_id=msg_id).msg_id is None
    assert make(msg_id=msg_id).id == make(msg_id=None).id
    assert len(make(msg_id=msg_id).id) == len("sha256:") + 64


@given(json_values, usable_times, st.randoms())
def test_the_hash_is_the_same_for_the_archive_s_copy(msg: Any, timestamp: float, chance: Any) -> None:
    """A copy with whole seconds, other accompanying fields and its keys in any order at any depth has the same id."""
    copied = {"i": 3, "msg": shuffled(msg, chance), "timestamp": math.floor(timestamp), "topic": TOPIC}
    assert Message({"topic": TOPIC, "timestamp": timestamp, "msg": msg}).id == Message(copied).id


def shuffled(value: Any, chance: Any) -> Any:
    """Return the value with the keys of all its dicts in another order."""
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(item, chance)) for key, item in value.items()]
    chance.shuffle(items)
    return dict(items)


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": TOPIC + "s"},
        {"msg": {}},
        {"msg": None},
        {"timestamp": 1451606401.75},
        {"msg": json.dumps({})},
    ],
)
def test_another_message_has_another_hash(changes: dict[str, Any]) -> None:
    """Topic, contents and second each make a difference."""
    assert make(msg_id=None, **changes).id != make(msg_id=None).id


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_the_order_of_a_list_makes_a_difference(order: list[int]) -> None:
    """Only keys of dicts have no order."""
    assert (make(msg_id=None, msg=order).id == make(msg_id=None, msg=[1, 2]).id) is (order == [1, 2])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"topic": None}, "no topic"),
        ({"topic": ""}, "no topic"),
        ({"topic": 7}, "no topic"),
        ({"timestamp": None}, "no timestamp"),
        ({"timestamp": "1451606400"}, "the timestamp is not a number"),
        ({"timestamp": True}, "the timestamp is not a number"),
        ({"timestamp": [1]}, "the timestamp is not a number"),
        ({"timestamp": -1}, "the timestamp is not between 1970 and 9999"),
        ({"timestamp": END_OF_TIME}, "the timestamp is not between 1970 and 9999"),
        ({"timestamp": math.nan}, "the timestamp is not between 1970 and 9999"),
        ({"timestamp": math.inf}, "the timestamp is not between 1970 and 9999"),
        ({"timestamp": 10**400}, "the timestamp is not between 1970 and 9999"),
    ],
)
def test_what_cannot_be_counted_is_rejected_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    """A message without a usable topic and timestamp is not made, and the error says which it lacks."""
    with pytest.raises(Rejected) as caught:
        make(**changes)
    assert str(caught.value) == reason


def test_the_topic_is_looked_at_first() -> None:
    """A message that lacks everything is told by its topic."""
    with pytest.raises(Rejected, match=r"^no topic$"):
        Message({})


class Names:
    """Names that are told, and how often they were asked for."""

    asked = 0

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        self.asked += 1
        return frozenset({message["user"]})

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        return frozenset({"kernel"})

    def agent(self, message: Mapping[str, Any]) -> str | None:
        self.asked += 10
        return None


def test_names_are_worked_out_once_and_only_when_asked_for() -> None:
    """Users, packages and the agent come from the naming that the message was made with, once for all plugins."""
    names = Names()
    message = Message({**example(), "user": "ada"}, names)
    assert names.asked == 0
    assert message.usernames == message.usernames == {"ada"}
    assert message.packages == {"kernel"}
    assert names.asked == 1
    assert message.agent is message.agent is None
    assert names.asked == 11
