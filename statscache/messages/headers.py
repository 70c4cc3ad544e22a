"""Whom a message names in its headers, where fedora-messaging's publisher writes a header for each.

A message is asked for its users, and apart from that for its packages; the first of these that names any has the
word: its headers, the message class of its schema, the fedmsg.meta processors, our rules. Headers that name users do
not mean that there are no packages, although one class writes both kinds: the publisher leaves out what its class
fails at, and the copy of the message on fedmsg, which has no headers, is asked for its packages, too. So the two
copies of a bridged message differ only where publisher and processors do. Of 111 real messages that both a message
class and Fedora's processors know, the packages are the same in all, and the users in 99.

The class is only asked where the headers name nothing at all: old messages, from before there were such headers.
Where they do name something, the publisher has asked it already. Another version of it may be installed here, and
figures should depend neither on that nor on whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What comes before a name in the name of a header.
USER = "fedora_messaging_user_"
PACKAGE = "fedora_messaging_rpm_"
#: The schema of a message without one of its own, such as all that come from fedmsg.
BASE_SCHEMA = "base.message"
#: What else headers name, in the same way.
_OTHERS = tuple(f"fedora_messaging_{kind}_" for kind in ("group", "container", "module", "flatpak"))


def usernames(message: Mapping[str, Any]) -> frozenset[str]:
    """The users that the message's headers name."""
    return _named(message, USER)


def packages(message: Mapping[str, Any]) -> frozenset[str]:
    """The packages that the message's headers name."""
    return _named(message, PACKAGE)


def schema_of(message: Mapping[str, Any]) -> str | None:
    """The name of the message's schema, None where it has none of its own."""
    headers = message.get("headers")
    schema = headers.get("fedora_messaging_schema") if isinstance(headers, dict) else None
    return schema if isinstance(schema, str) and schema != BASE_SCHEMA else None


def name_nothing(message: Mapping[str, Any]) -> bool:
    """Whether the message's headers name neither users nor packages, nor anything else."""
    kinds = (USER, PACKAGE, *_OTHERS)
    return not any(key.startswith(kinds) for key in dict.keys(message["headers"]))


def _named(message: Mapping[str, Any], kind: str) -> frozenset[str]:
    headers = message.get("headers")
    if not isinstance(headers, dict):
        return frozenset()
    found = (key for key, value in dict.items(headers) if value is True and key.startswith(kind))
    return frozenset(name for key in found if (name := key[len(kind) :]))
