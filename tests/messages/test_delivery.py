"""What came over AMQP becomes the body that the rest of statscache knows, or is rejected."""

from __future__ import annotations

import json
import marshal
import math
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.errors import Rejected
from statscache.messages.delivery import LARGEST, body_of
from statscache.messages.message import Message
from statscache.spool.record import encode
from tests.support.messages import TOPIC, json_values
from tests.support.shared import SHARED, read_lines

ID = "273ed91d-b8b5-487a-9576-95b9fbdf3eec"
SENT = {"sent-at": "2018-11-18T10:11:41+00:00"}
AMQP = SHARED / "data" / "amqp.jsonl"

plain_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
odd_values = st.binary() | st.datetimes() | st.decimals() | st.tuples(st.integers())
header_values = st.recursive(
    plain_values | odd_values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.binary(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
times = st.datetimes(timezones=st.none() | offsets).map(datetime.isoformat)
sent_at = times | st.text(max_size=30) | st.text("0123456789-:+TZW.,", max_size=30) | header_values
some_headers = st.none() | st.dictionaries(st.text(max_size=5), header_values, max_size=4)
payloads = st.binary(max_size=50) | st.text().map(str.encode) | json_values.map(lambda msg: dumped(msg))


def dumped(msg: Any) -> bytes:
    return json.dumps(msg).encode()


def sent(moment: Any, payload: bytes = b"{}") -> dict[str, Any]:
    return body_of(TOPIC, ID, {"sent-at": moment}, payload)


def refused(headers: Any, payload: bytes = b"{}") -> str:
    with pytest.raises(Rejected) as caught:
        body_of(TOPIC, ID, headers, payload)
    return str(caught.value)


def test_a_delivery_is_the_body_that_fedmsg_would_have_sent() -> None:
    """The routing key is the topic, the payload is `msg`, and `sent-at` is the timestamp."""
    headers = {**SENT, "fedora_messaging_schema": "base.message", "fedora_messaging_severity": 20}
    assert body_of(TOPIC, ID, headers, b'{"test_key1": "test_value1"}') == {
        "topic": TOPIC,
        "msg": {"test_key1": "test_value1"},
        "msg_id": ID,
        "timestamp": 1542535901,
        "headers": headers,
    }


@pytest.mark.skipif(not AMQP.exists(), reason="the real messages lie beside a checkout only")
def test_real_messages_of_the_bus_are_read() -> None:
    """All that were recorded with their headers, by the second that these tell."""
    recorded = [
        line["message"] for line in read_lines(AMQP) if "sent-at" in line["message"].get("headers", {})
    ]
    assert len(recorded) == 14
    for message in recorded:
        body = body_of(message["topic"], message["id"], message["headers"], dumped(message["body"]))
        assert Message(body).when == datetime.fromisoformat(message["headers"]["sent-at"])
        assert body["msg"] == message["body"]
        assert body["headers"].items() <= message["headers"].items()
        assert Message(body)["msg_id"] == message["id"]


@pytest.mark.parametrize(
    ("moment", "timestamp"),
    [
        ("2018-11-18T10:11:41+00:00", 1542535901),
        ("2018-11-18T10:11:41Z", 1542535901),
        ("2018-11-18T12:11:41+02:00", 1542535901),
        ("2018-11-18T10:11:41.250000+00:00", 1542535901.25),
        ("2018-11-18 10:11:41", 1542535901),
        ("20181118T101141Z", 1542535901),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_the_timestamp_is_in_seconds_of_utc(moment: str, timestamp: float) -> None:
    """It is an int where it is whole; a time without a zone is one of UTC."""
    found = sent(moment)["timestamp"]
    assert (found, type(found)) == (timestamp, type(timestamp))


@pytest.mark.parametrize(
    "moment",
    ["", "yesterday", "2018-13-01T00:00:00Z", "1542535901", "2018-11-18T10:11:41+24:00", "\ud800", "\0",
     1542535901, 1.5, True, b"2018-11-18T10:11:41Z", datetime(2018, 11, 18, tzinfo=UTC), [], {}],
)  # fmt: skip
def test_what_is_no_time_is_rejected(moment: Any) -> None:
    """A number could be seconds or milliseconds; a message is never dated when it came."""
    assert refused({"sent-at": moment}) == "sent-at is not an ISO 8601 time"


@pytest.mark.parametrize("headers", [{}, {"sent-at": None}, {"Sent-At": "2018-11-18T10:11:41Z"}])
def test_a_message_without_a_time_is_rejected(headers: dict[str, Any]) -> None:
    """It is not dated when it came."""
    assert refused(headers) == "no sent-at"


@pytest.mark.parametrize("headers", [None, [], "sent-at", 7, [("sent-at", SENT["sent-at"])]])
def test_a_message_without_headers_is_rejected(headers: Any) -> None:
    """Nor is one whose headers are something else."""
    assert refused(headers) == "no headers"


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z"],
)
def test_a_time_that_cannot_be_counted_is_for_the_message_to_reject(moment: str) -> None:
    """There is one rule for the times of all buses."""
    with pytest.raises(Rejected, match=r"^the timestamp is not between 1970 and 9999$"):
        Message(sent(moment))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff{}", "the payload is not UTF-8"),
        ('"Grüße"'.encode("latin-1"), "the payload is not UTF-8"),
        (b'"\xed\xa0\x80"', "the payload is not UTF-8"),  # a lone surrogate, encoded
        (b"\x1f\x8b\x08\x00", "the payload is not UTF-8"),  # gzip
        ("{}".encode("utf-16-le"), "the payload is not JSON"),
        (b"\xef\xbb\xbf{}", "the payload is not JSON"),
        (b"", "the payload is not JSON"),
        (b"{} {}", "the payload is not JSON"),
        (b'{"a": "\0"}', "the payload is not JSON"),
        (b"1" * (sys.get_int_max_str_digits() + 1), "the payload is not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * LARGEST + b"1", "the payload is larger than 16 MiB"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_a_reason(payload: bytes, reason: str) -> None:
    """The reason is one of a few, and quotes nothing of the payload."""
    assert refused(SENT, payload) == reason


@pytest.mark.parametrize(
    ("payload", "msg"),
    [
        (b"[1]", [1]),
        (b"null", None),
        (b'"text"', "text"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": "\\u0000\\ud800"}', {"a": "\0\ud800"}),
        (b"1e999", math.inf),
        (b" " * (LARGEST - 1) + b"1", 1),
        (b"9" * 4300, 10**4300 - 1),
    ],
)
def test_any_json_is_a_msg(payload: bytes, msg: Any) -> None:
    """Also what is no object, and what fedmsg's JSON takes beyond the standard."""
    assert body_of(TOPIC, ID, SENT, payload)["msg"] == msg


def test_nan_is_read_as_fedmsg_reads_it() -> None:
    """As all that Python's JSON takes."""
    assert math.isnan(body_of(TOPIC, ID, SENT, b"NaN")["msg"])


def test_only_headers_are_kept_that_statscache_knows() -> None:
    """Not what a web hook has left there, nor what AMQP has beyond JSON."""
    known = {**SENT, "fedora_messaging_severity": 20, "fedora_messaging_user_ann": True}
    odd: dict[Any, Any] = {
        "authorization": "Bearer secret",
        "fedora_messaging_when": datetime(2018, 11, 18, tzinfo=UTC),
        "fedora_messaging_raw": b"x",
        "fedora_messaging_list": [1],
        b"fedora_messaging_k": 1,
    }
    assert body_of(TOPIC, ID, {**known, **odd}, b"{}")["headers"] == known


@pytest.mark.parametrize("message_id", [None, b"x", 7])
def test_an_id_that_is_no_text_is_none(message_id: Any) -> None:
    """The message is then known by a hash, as one of fedmsg without `msg_id` is."""
    body = body_of(TOPIC, message_id, SENT, b"{}")
    assert body["msg_id"] is None
    assert Message(body).id.startswith("sha256:")


@given(st.text(), st.none() | st.text(), some_headers, sent_at, payloads)
def test_whatever_comes_is_a_body_or_rejected(
    topic: str, message_id: str | None, headers: dict[str, Any] | None, moment: Any, payload: bytes
) -> None:
    """A body can be written to the spool and read back, as JSON too, and makes a message unless that rejects it."""
    if headers is not None:
        headers = {**headers, "sent-at": moment}
    try:
        body = body_of(topic, message_id, headers, payload)
    except Rejected:
        return
    assert repr(marshal.loads(marshal.dumps(body, 4))) == repr(body)
    assert repr(json.loads(json.dumps(body))) == repr(body)
    with suppress(Rejected):
        assert Message(body).msg_id in (message_id, None)
        encode(body)


@given(st.integers(0, 4_000_000_000_000_000), offsets)
def test_every_time_with_a_zone_is_read(microseconds: int, zone: timezone) -> None:
    """To the microsecond."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).astimezone(zone)
    assert Message(sent(moment.isoformat())).when == moment
