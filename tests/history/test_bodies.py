"""A message is the same body whichever way it came: over AMQP, from an archive, from a file."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.errors import Rejected
from statscache.history.bodies import as_sent
from statscache.messages.delivery import body_of
from statscache.messages.message import Message
from tests.support.messages import json_values
from tests.support.shared import SHARED, read_lines

AMQP = SHARED / "data" / "amqp.jsonl"
REAL = pytest.mark.skipif(not AMQP.exists(), reason="the real messages lie beside a checkout only")
HEADERS = {
    "fedora_messaging_rpm_vim": True,
    "fedora_messaging_schema": "koji_fedoramessaging.tag.TagV1",
    "fedora_messaging_severity": 20,
    "fedora_messaging_user_ada": True,
    "sent-at": "2024-06-20T15:04:24+00:00",
}
RECORDED = {
    "body": {"name": "vim"},
    "headers": HEADERS,
    "id": "0b2addd5-e1b8-4ebe-9e2a-9b1b21a8bbad",
    "queue": "a-queue",
    "topic": "org.fedoraproject.prod.buildsys.tag",
}


def delivered(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the body of the delivery that was recorded."""
    content = json.dumps(recorded["body"]).encode()
    return body_of(recorded["topic"], recorded["id"], recorded["headers"], content)


def row(recorded: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the row that datagrepper's `/raw` gives of it: those of datanommer with all that it made of them."""
    body = delivered(recorded)
    return {
        **body,
        "timestamp": float(body["timestamp"]),
        "i": 0,
        "certificate": None,
        "signature": None,
        "agent_name": "ada",
        "username": "ada",
        "crypto": None,
        "source_name": "datanommer",
        "source_version": "1.4.3",
        "users": ["ada"],
        "packages": ["vim"],
        **changes,
    }


@pytest.mark.parametrize("more", [{}, {"priority": 0}, {"queue": None}])
def test_a_recorded_message_is_the_body_of_its_delivery(more: dict[str, Any]) -> None:
    """In the form that `fedora-messaging record` writes, and datagrepper's /v2/search gives."""
    assert as_sent({**RECORDED, **more}) == delivered(RECORDED)


def test_a_row_of_an_archive_is_the_body_of_its_delivery() -> None:
    """So that no plugin can tell whether it came live, with whom the message's class called the agent."""
    assert as_sent(row(RECORDED)) == {**delivered(RECORDED), "agent_name": "ada"}


@pytest.mark.parametrize("agent", [None, "", 7, ["ada"]])
def test_a_row_without_an_agent_is_the_body_alone(agent: Any) -> None:
    """Most classes name none."""
    assert as_sent(row(RECORDED, agent_name=agent)) == delivered(RECORDED)


def test_of_a_message_without_a_schema_an_archive_knows_no_agent() -> None:
    """It is one of fedmsg's, of which archives have the sender there."""
    headers = {**HEADERS, "fedora_messaging_schema": "base.message"}
    recorded = {**RECORDED, "headers": headers}
    assert as_sent(row(RECORDED, headers=headers)) == delivered(recorded)


def test_a_row_keeps_only_the_headers_that_are_kept_of_a_delivery() -> None:
    """What a web hook has left there is nobody's business here either."""
    headers = {**HEADERS, "authorization": "Bearer secret", "fedora_messaging_odd": [1]}
    recorded = {**RECORDED, "headers": headers}
    found = as_sent(row(RECORDED, headers=headers, agent_name=None))
    assert found == as_sent(recorded) == delivered(recorded)
    assert "authorization" not in delivered(recorded)["headers"]


@REAL
def test_real_messages_are_the_same_whichever_way_they_came() -> None:
    """Those that were recorded with their headers."""
    lines = [line["message"] for line in read_lines(AMQP)]
    recorded = [message for message in lines if "sent-at" in message.get("headers", {})]
    assert len(recorded) == 14
    for message in recorded:
        ways = [Message(body) for body in (delivered(message), as_sent(message), as_sent(row(message)))]
        assert len({(way.id, way.second, way.usernames, way.packages, way.category) for way in ways}) == 1


@REAL
def test_real_lines_without_what_is_needed_are_rejected() -> None:
    """Whatever their form is, each is a message or has a reason."""
    reasons = set()
    for line in read_lines(AMQP):
        try:
            Message(as_sent(line["message"]))
        except Rejected as reason:
            reasons.add(str(reason))
    assert reasons == {"no headers", "no sent-at", "no timestamp"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headers": None}, "no headers"),
        ({"headers": {}}, "no sent-at"),
        ({"headers": {"sent-at": "soon"}}, "sent-at is not an ISO 8601 time"),
    ],
)
def test_what_a_delivery_is_rejected_for_a_record_is(changes: dict[str, Any], reason: str) -> None:
    """It is never dated when it is read."""
    with pytest.raises(Rejected, match=f"^{reason}$"):
        as_sent({**RECORDED, **changes})
    lacking = {name: value for name, value in RECORDED.items() if name not in changes}
    with pytest.raises(Rejected, match=r"^no headers$"):
        as_sent(lacking)


def test_what_datanommer_had_to_date_itself_is_rejected_as_on_the_bus() -> None:
    """A message without `sent-at` has the time at which datanommer got it."""
    headers = {"fedora_messaging_schema": "base.message"}
    with pytest.raises(Rejected, match=r"^no sent-at$"):
        as_sent(row(RECORDED, headers=headers))


@pytest.mark.parametrize("headers", [None, {}, {"sent-at": "2015-01-01T00:00:00"}, [], "x"])
def test_a_row_of_fedmsg_s_days_stays_as_it_is(headers: Any) -> None:
    """datagrepper itself adds a time to headers, so that alone does not make it one of fedora-messaging."""
    old = {"topic": "a.b.c.d", "msg": {}, "timestamp": 7.0, "i": 3, "username": "apache", "headers": headers}
    assert as_sent(old) is old


@pytest.mark.parametrize("more", [{"timestamp": 7}, {"msg": {}}])
def test_a_message_of_fedmsg_may_have_a_body(more: dict[str, Any]) -> None:
    """It is told by what fedmsg's messages have and fedora-messaging's records have not."""
    body = {"topic": "a.b.c.d", "body": {}, **more}
    assert as_sent(body) is body


@given(st.dictionaries(st.sampled_from([*RECORDED, "msg", "timestamp", "msg_id"]), json_values))
def test_whatever_comes_is_a_body_or_rejected(body: dict[str, Any]) -> None:
    """Lines of files may hold anything."""
    with suppress(Rejected):
        Message(as_sent(body))
