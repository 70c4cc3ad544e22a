"""What fedora-messaging sends over AMQP, as the body that fedmsg would have sent.

A delivery has no envelope: the topic is its routing key, the id a property, the payload the `msg` alone, and when it
was sent and whom it names are headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from statscache.errors import Rejected

#: In bytes. RabbitMQ takes none that is larger, from 4.0 on, unless it is told to.
LARGEST = 16 << 20
#: How the headers begin that are kept, and what they may hold: AMQP has more than JSON and a spool can keep.
KNOWN = ("fedora_messaging_", "sent-at")
PLAIN = frozenset({str, int, float, bool, type(None)})


def body_of(
    topic: str, message_id: str | None, headers: Mapping[str, Any] | None, payload: bytes
) -> dict[str, Any]:
    """Return the body of a delivery.

    The payload is read as UTF-8, which all of JSON is, whatever `content_encoding` says.

    :param topic: the routing key
    :param message_id: the property of that name
    :raises Rejected: if the payload cannot be read, or the headers do not say when it was sent
    """
    return body_with(topic, message_id, headers, _read(payload))


def body_with(topic: Any, message_id: Any, headers: Any, msg: Any) -> dict[str, Any]:
    """Return the body with a `msg` that has been read, as recorded messages have it.

    :raises Rejected: if the headers do not say when it was sent
    """
    if not isinstance(headers, Mapping):
        raise Rejected("no headers")
    return {
        "topic": topic,
        "msg": msg,
        "msg_id": message_id if type(message_id) is str else None,
        "timestamp": _seconds(headers.get("sent-at")),
        "headers": kept_headers(headers),
    }


def kept_headers(headers: Mapping[Any, Any]) -> dict[str, Any]:
    """Return those headers that statscache knows: when it was sent, and what fedora-messaging says of the message.

    A bridge or a web hook can put others there that are nobody's business, such as somebody's authorization.
    """
    return {
        key: value
        for key, value in headers.items()
        if type(key) is str and key.startswith(KNOWN) and type(value) in PLAIN
    }


def _read(payload: bytes) -> Any:
    if len(payload) > LARGEST:
        raise Rejected("the payload is larger than 16 MiB")
    try:
        return json.loads(payload.decode())
    except UnicodeDecodeError:
        raise Rejected("the payload is not UTF-8") from None
    except ValueError:  # also of an integer of more digits than Python reads
        raise Rejected("the payload is not JSON") from None
    except RecursionError:
        raise Rejected("nested too deeply") from None


def _seconds(sent_at: Any) -> int | float:
    """Return the time in seconds since 1970, an int where it is whole.

    fedora-messaging always writes a zone. What another publisher writes without one is UTC: so datanommer keeps it,
    and a message counts in the same window whether it came over the bus or from the archive. A message is never
    dated when it came, since that would be another window each time that it comes.
    """
    if sent_at is None:
        raise Rejected("no sent-at")
    try:
        moment = datetime.fromisoformat(sent_at)
    except (TypeError, ValueError):
        raise Rejected("sent-at is not an ISO 8601 time") from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return int(seconds) if seconds.is_integer() else seconds
