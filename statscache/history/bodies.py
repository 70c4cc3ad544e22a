"""The forms in which archives and files have messages, and the body that came over the bus."""

from __future__ import annotations

from typing import Any

from statscache.errors import Rejected
from statscache.messages.agents import ARCHIVED
from statscache.messages.delivery import body_with, kept_headers
from statscache.messages.headers import schema_of

Body = dict[str, Any]
#: What a body over AMQP has beside its headers. The rows of archives have more: a number that is always 0, a name for
#: who sent it.
OVER_AMQP = ("topic", "msg", "msg_id", "timestamp")


def as_sent(body: Body) -> Body:
    """Return a message as it came over the bus, whichever it was.

    :param body: as an archive or file has it: one of fedmsg, a row of datanommer's or datagrepper's, or what
        ``fedora-messaging record`` or datagrepper's ``/v2/search`` gives
    :raises Rejected: if it does not say when it was sent
    """
    if _is_recorded(body):
        return body_with(body.get("topic"), body.get("id"), body.get("headers"), body["body"])
    return _as_delivered(body) if _has_schema(body) else body


def _is_recorded(body: Body) -> bool:
    """Return whether it is in fedora-messaging's own form, which has neither `msg` nor `timestamp`."""
    return "body" in body and "msg" not in body and "timestamp" not in body


def _has_schema(body: Body) -> bool:
    """Return whether the headers are fedora-messaging's, which always name a schema."""
    headers = body.get("headers")
    return isinstance(headers, dict) and "fedora_messaging_schema" in headers


def _as_delivered(row: Body) -> Body:
    """Return a row as body_of makes it of the delivery, and with whom the archive has noted as the agent.

    That is what the message's class said when it was sent, which may not be installed here.
    datanommer dates a message without `sent-at` by when it came there, which is rejected here as on the bus.
    """
    if row["headers"].get("sent-at") is None:
        raise Rejected("no sent-at")
    body = {**{name: row.get(name) for name in OVER_AMQP}, "headers": kept_headers(row["headers"])}
    agent = row.get(ARCHIVED) if schema_of(body) is not None else None
    return {**body, ARCHIVED: agent} if isinstance(agent, str) and agent else body
