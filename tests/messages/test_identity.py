"""How each message is known again: by its own id, or by the hash of its content."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from statscache.errors import Rejected
from statscache.messages.message import LONGEST_ID, Message
from tests.support.messages import TOPIC, usable_times

NO_TIMESTAMP = "no timestamp"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


UUID = "273ed91d-b8b5-487a-9576-95b9fbdf3eec"


def identity(**body: Any) -> str:
    return Message({"topic": TOPIC, "timestamp": 1, **body}).id


@pytest.mark.parametrize("msg_id", ["a", "2016-c8b2e9a4", "x" * LONGEST_ID, "é", "a b"])
def test_a_printable_id_of_up_to_200_characters_is_taken_as_it_is(msg_id: str) -> None:
    """The bus's own id is what tells messages apart."""
    assert identity(msg_id=msg_id) == msg_id


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), "0" * 8 + "-0000-0000-0000-" + "0" * 12])
def test_the_copies_of_a_message_on_two_buses_have_the_same_id(uuid: str) -> None:
    """fedmsg puts a year before the UUID that is the whole id on AMQP; only the dict has the id as it came."""
    message = Message({"topic": TOPIC, "timestamp": 1, "msg_id": f"2026-{uuid}"})
    assert message.id == message.msg_id == uuid == identity(msg_id=uuid)
    assert message["msg_id"] == f"2026-{uuid}"


@pytest.mark.parametrize(
    "msg_id",
    [
        f"202-{UUID}",
        f"20262-{UUID}",
        f"2026{UUID}",
        f"2O26-{UUID}",
        f"\u0662026-{UUID}",
        f"2026_{UUID}",
        f"2026-{UUID}0",
        f"2026-{UUID[:-1]}",
        f"2026-{UUID[:-1]}g",
        f"2026-{UUID.replace('-', '')}----",
        f"2026-{UUID.replace('-', '_')}",
        f"2026-2026-{UUID}",
        "2026-" + "x" * 36,
        "2016-c8b2e9a4",
    ],
)
def test_only_a_year_before_a_uuid_is_cut(msg_id: str) -> None:
    """Every other id stays as it is."""
    assert identity(msg_id=msg_id) == msg_id


@pytest.mark.parametrize("msg_id", [None, "", "x" * 201, "a\n", "\0", "\ud800", 7, True, ["a"], {"a": 1}])
def test_any_other_id_is_replaced_by_a_hash(msg_id: Any) -> None:
    """What cannot serve as an id is as good as none."""
    assert identity(msg_id=msg_id) == identity()
    assert identity().startswith("sha256:")


@given(st.text(max_size=250))
def test_the_rule_for_ids_is_length_and_printability(msg_id: str) -> None:
    """Any text is taken as it is or replaced, by that rule alone."""
    taken = 1 <= len(msg_id) <= 200 and msg_id.isprintable()
    assert (identity(msg_id=msg_id) == msg_id) is taken


@given(json_values, usable_times)
def test_a_copy_with_a_whole_second_has_the_same_id(msg: Any, timestamp: float) -> None:
    """An archive drops the fraction of a timestamp, and keys may come in another order."""
    turned = dict(reversed(msg.items())) if isinstance(msg, dict) else msg
    copy = {"topic": TOPIC, "msg": turned, "timestamp": math.floor(timestamp), "i": 7, "username": "apache"}
    assert identity(msg=msg, timestamp=timestamp) == Message(copy).id


@given(json_values, json_values)
def test_other_contents_have_other_ids(msg: Any, other: Any) -> None:
    """Topic, contents and second each make a difference."""
    assume(repr(msg) != repr(other) and msg != other)
    assert identity(msg=msg) != identity(msg=other)
    assert identity(msg=msg) != identity(msg=msg, topic=TOPIC + ".x")
    assert identity(msg=msg) != identity(msg=msg, timestamp=2)


def test_a_message_says_why_it_is_rejected() -> None:
    """The class itself refuses what the intake rejects."""
    with pytest.raises(Rejected, match=NO_TIMESTAMP):
        Message({"topic": TOPIC})
