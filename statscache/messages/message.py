"""A message of the bus as plugins get it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from copy import deepcopy
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn, Protocol

from statscache.errors import Rejected
from statscache.messages import rules

#: The longest `msg_id` that is taken as it is.
LONGEST_ID = 200
#: Timestamps are seconds since 1970 and before this, the start of the year 10000.
END_OF_TIME = 253402300800


class Naming(Protocol):
    """Whatever tells the users and the packages that a message names."""

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]: ...
    def packages(self, message: Mapping[str, Any]) -> frozenset[str]: ...


def _read_only(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError("a message is shared by all plugins and cannot be changed: change a copy.deepcopy of it")


class FrozenList(list[Any]):
    """A list that can only be read, of items that `_frozen` has frozen: what is sliced or added to it stays so."""

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [deepcopy(item, memo) for item in self]

    def copy(self) -> list[Any]:
        return deepcopy(self)

    __copy__ = copy
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = extend = insert = _read_only
    pop = remove = clear = sort = reverse = _read_only


class FrozenDict(dict[str, Any]):
    """A dict that can only be read, and so can all that is in it.

    What lies deeper is frozen when it is first read. `__iter__` is defined because without it `dict(frozen)` and
    `{**frozen}` would copy past `__getitem__`.
    """

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        kind = type(value)
        if kind is dict or kind is list:
            value = _frozen(value)
            dict.__setitem__(self, key, value)  # so that it is frozen once
        return value

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def get(self, key: str, default: Any = None) -> Any:
        value = dict.get(self, key, default)
        kind = type(value)
        return self[key] if (kind is dict or kind is list) and key in self else value

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a view as good as dict's own
        return ValuesView(self)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a view as good as dict's own
        return ItemsView(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: deepcopy(dict.__getitem__(self, key), memo) for key in self}

    def copy(self) -> dict[str, Any]:
        return deepcopy(self)

    def __or__(self, other: Any) -> Any:
        return deepcopy(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | deepcopy(self)

    __copy__ = copy
    __setitem__ = __delitem__ = __ior__ = _read_only
    pop = popitem = setdefault = update = clear = _read_only


def _frozen(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return FrozenList(map(_frozen, value))
    return FrozenDict(value) if kind is dict else value


class Message(FrozenDict):
    """The body of a message, read as a dict, with what many plugins need and none should work out twice.

    :param body: what came over the bus; not copied
    :param naming: who tells the users and packages; statscache's own rules unless told otherwise
    :raises Rejected: if it has no usable topic or timestamp
    """

    _naming: Naming
    #: The whole topic, as in ``org.fedoraproject.prod.bodhi.update.comment``.
    topic: str
    #: Seconds since 1970 UTC, as sent: an int or a float.
    timestamp: int | float
    #: The whole second that the timestamp lies in.
    second: int
    #: The fourth part of the topic, such as ``bodhi``; None where the topic is shorter.
    category: str | None
    #: The message's `msg_id`, None where that is missing or unusable: not 1 to 200 printable characters.
    msg_id: str | None

    def __init__(self, body: Mapping[str, Any], naming: Naming = rules) -> None:
        super().__init__(body)
        own = vars(self)
        own["_naming"] = naming
        own["topic"] = topic = _topic(body.get("topic"))
        own["timestamp"] = timestamp = _timestamp(body.get("timestamp"))
        own["second"] = math.floor(timestamp)
        parts = topic.split(".", 4)
        own["category"] = parts[3] if len(parts) > 3 else None
        own["msg_id"] = msg_id = _usable_id(body.get("msg_id"))
        if msg_id is not None:
            own["id"] = msg_id

    __setattr__ = __delattr__ = _read_only

    @cached_property
    def when(self) -> datetime:
        """The timestamp as an aware UTC datetime, to the microsecond, and never in another `second`."""
        microsecond = min(round((self.timestamp - self.second) * 1_000_000), 999_999)
        return datetime.fromtimestamp(self.second, UTC).replace(microsecond=microsecond)

    @cached_property
    def usernames(self) -> frozenset[str]:
        """The users that the message names."""
        return self._naming.usernames(self)

    @cached_property
    def packages(self) -> frozenset[str]:
        """The packages that the message names."""
        return self._naming.packages(self)

    @cached_property
    def id(self) -> str:
        """What tells this message from all others: its `msg_id`, or a hash where it has no usable one.

        The hash is of topic, `msg` and whole second, which are the same in a copy from an archive.
        """
        content = json.dumps([self.topic, dict.get(self, "msg"), self.second], sort_keys=True)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def _topic(topic: Any) -> str:
    if not isinstance(topic, str) or not topic:
        raise Rejected("no topic")
    return topic


def _usable_id(msg_id: Any) -> str | None:
    usable = isinstance(msg_id, str) and 0 < len(msg_id) <= LONGEST_ID and msg_id.isprintable()
    return msg_id if usable else None


def _timestamp(timestamp: Any) -> int | float:
    """Return the timestamp if it is a number from 1970 to 9999; NaN and the infinities are outside."""
    if timestamp is None:
        raise Rejected("no timestamp")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        raise Rejected("the timestamp is not a number")
    if not 0 <= timestamp < END_OF_TIME:
        raise Rejected("the timestamp is not between 1970 and 9999")
    return timestamp
