"""A message of the bus as plugins get it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from statscache.errors import Rejected
from statscache.instants import END_OF_TIME
from statscache.messages import rules
from statscache.messages.frozen import FrozenDict, _read_only
from statscache.messages.ids import canonical_id
from statscache.messages.once import once
from statscache.messages.pseudonyms import Pseudonyms
from statscache.messages.rule import category_place

#: The longest `msg_id` that is taken as it is.
LONGEST_ID = 200
NOBODY = Pseudonyms()


class Naming(Protocol):
    """Finds the users and the packages that a message names, and who did what it tells of."""

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]: ...
    def packages(self, message: Mapping[str, Any]) -> frozenset[str]: ...
    def agent(self, message: Mapping[str, Any]) -> str | None: ...


class Message(FrozenDict):
    """The body of a message, read as a dict, with what many plugins need and none should work out twice.

    :param body: what came over the bus; not copied
    :param naming: finds the users, the packages and the agent; by default statscache's own rules
    :raises Rejected: if it has no usable topic or timestamp
    """

    _naming: Naming
    #: The whole topic, as in ``org.fedoraproject.prod.bodhi.update.comment``.
    topic: str
    #: Seconds since 1970 UTC, as sent: an int or a float.
    timestamp: int | float
    #: The whole second that the timestamp lies in.
    second: int
    #: The fourth part of the topic, such as ``bodhi``, or the third of a VirtualTopic; None where it is shorter.
    category: str | None
    #: The message's `msg_id` in its canonical form: without the year that fedmsg puts before a UUID, so that copies on
    #: several buses have the same. None where it is missing or unusable: not 1 to 200 printable characters. As it came
    #: over the bus it is ``message["msg_id"]``.
    msg_id: str | None

    def __init__(self, body: Mapping[str, Any], naming: Naming = rules) -> None:
        super().__init__(body)
        own = vars(self)
        own["_naming"] = naming
        own["topic"] = topic = _topic(body.get("topic"))
        own["timestamp"] = timestamp = _timestamp(body.get("timestamp"))
        own["second"] = math.floor(timestamp)
        own["category"] = _category(topic)
        own["msg_id"] = msg_id = usable_id(body.get("msg_id"))
        if msg_id is not None:
            own["msg_id"] = own["id"] = pseudonyms_of(naming).in_id(msg_id)

    __setattr__ = __delattr__ = _read_only

    @once
    def when(self) -> datetime:
        """The timestamp as an aware UTC datetime, to the microsecond, and never in another `second`."""
        microsecond = min(round((self.timestamp - self.second) * 1_000_000), 999_999)
        return datetime.fromtimestamp(self.second, UTC).replace(microsecond=microsecond)

    @once
    def usernames(self) -> frozenset[str]:
        """The users that the message names."""
        return self._naming.usernames(self)

    @once
    def packages(self) -> frozenset[str]:
        """The packages that the message names."""
        return self._naming.packages(self)

    @once
    def agent(self) -> str | None:
        """Who did what the message tells of: an account; None if nobody did, or it is not certain who.

        It may be a bot. Who is only mentioned is never the agent.
        """
        return self._naming.agent(self)

    @property
    def pseudonyms(self) -> Pseudonyms:
        """What is written instead of names."""
        return pseudonyms_of(self._naming)

    @once
    def id(self) -> str:
        """What tells this message from all others: its canonical `msg_id`, or a hash where it has no usable one.

        The hash is of topic, `msg` and whole second, which are the same in a copy from an archive.
        """
        content = json.dumps([self.topic, dict.get(self, "msg"), self.second], sort_keys=True)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def pseudonyms_of(naming: Naming) -> Pseudonyms:
    """Return what is written instead of names; nothing where nobody is forgotten, as where a message is only read."""
    found: Pseudonyms = getattr(naming, "pseudonyms", NOBODY)
    return found


def written(message: Message) -> str:
    """Return the body of a message as JSON in ASCII, as it is kept: without the names of who is forgotten."""
    return json.dumps(without_names(message, message.id, message.pseudonyms))


def without_names(body: Mapping[str, Any], id: str, pseudonyms: Pseudonyms) -> Mapping[str, Any]:
    """Return the body of a message in which names are replaced: itself if there are none.

    :param id: by which the message is known, with that body, too, although it may be a hash of what the body was
    """
    replaced: Mapping[str, Any] = pseudonyms.in_json(body) if pseudonyms else body
    is_known = replaced == body or usable_id(replaced.get("msg_id")) == id
    return replaced if is_known else {**replaced, "msg_id": id}


def at_second(body: Mapping[str, Any], second: int) -> dict[str, Any]:
    """Return a body with another timestamp, in whole seconds since 1970."""
    return {**body, "timestamp": second}


@lru_cache(maxsize=4096)
def _category(topic: str) -> str | None:
    place, parts = category_place(topic), topic.split(".", 4)
    return parts[place] if len(parts) > place else None


def _topic(topic: Any) -> str:
    if not isinstance(topic, str) or not topic:
        raise Rejected("no topic")
    return topic


def usable_id(msg_id: Any) -> str | None:
    """Return the canonical form of an id that can serve as one."""
    usable = isinstance(msg_id, str) and 0 < len(msg_id) <= LONGEST_ID and msg_id.isprintable()
    return canonical_id(msg_id) if usable else None


def _timestamp(timestamp: Any) -> int | float:
    """Return the timestamp if it is a number from 1970 to 9999; NaN and the infinities are outside."""
    if timestamp is None:
        raise Rejected("no timestamp")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        raise Rejected("the timestamp is not a number")
    if not 0 <= timestamp < END_OF_TIME:
        raise Rejected("the timestamp is not between 1970 and 9999")
    return timestamp
