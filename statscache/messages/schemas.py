"""Whom a message names, and who did it, by the class of its schema, where a package registers one for the bus."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import SimpleNamespace
from typing import Any

from statscache.errors import number_of, some_of
from statscache.messages.answers import names_in, one_line_of
from statscache.messages.headers import BASE_SCHEMA, name_nothing, schema_of

log = logging.getLogger(__name__)

#: So many classes that do not load are named in the log.
NAMED = 5


class Schemas:
    """The message classes that installed packages register in the entry point group `fedora.messages`.

    They are loaded when the first message has a schema of theirs, or when it is told which there are; without any,
    fedora-messaging is never imported. Safe to call from any thread.
    """

    def __init__(self) -> None:
        found = sorted(entry_points(group="fedora.messages"), key=lambda entry: (entry.name, entry.value))
        self._entries = {entry.name: entry for entry in found if entry.name != BASE_SCHEMA}
        self._logged: set[tuple[type, type]] = set()

    @property
    def failed(self) -> dict[str, str]:
        """The classes that do not load by the names of their schemas, each with a reason of one line."""
        return self._loaded[1]

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The users that the message's class names; none if it has no class here, or that raises."""
        return self._ask("usernames", message)

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The packages that the message's class names; none if it has no class here, or that raises."""
        return self._ask("packages", message)

    def agent(self, message: Mapping[str, Any]) -> Any:
        """Whom the message's class calls the agent, whatever that is; None if it has no class here, or that raises.

        Unlike users, whom the headers name, it is asked of every message: no header says who did it.
        """
        kind = self._kind_of(message)
        return self._call(kind, "agent_name", message) if hasattr(kind, "agent_name") else None

    @property
    def brief(self) -> list[str]:
        """How many there are and what failed, for a line that stays short; nothing where there are none."""
        return self._told(some_of(list(self.failed), NAMED))

    @property
    def full(self) -> list[str]:
        """The same with the reasons."""
        return self._told(", ".join(f"{name} ({why})" for name, why in self.failed.items()))

    def _told(self, failures: str) -> list[str]:
        classes = number_of(len(self._loaded[0]), "message schema")
        failed = number_of(len(self.failed), "message schema")
        return [classes] * bool(self._loaded[0]) + [f"{failed} failed: {failures}"] * bool(self.failed)

    @cached_property
    def _loaded(self) -> tuple[dict[str, Any], dict[str, str]]:
        classes: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for name, entry in self._entries.items():
            try:
                classes[name] = _load(entry)
            except Exception as error:  # noqa: BLE001 - one broken class must not disable the others
                failed[name] = one_line_of(error)
        return classes, failed

    def _ask(self, attribute: str, message: Mapping[str, Any]) -> frozenset[str]:
        if schema_of(message) not in self._entries or not name_nothing(message):
            return frozenset()
        return names_in(self._call(self._kind_of(message), attribute, message))

    def _kind_of(self, message: Mapping[str, Any]) -> Any:
        """The class of the message's schema; None where none is installed, or it does not load."""
        schema = schema_of(message)
        return self._loaded[0].get(schema) if schema in self._entries else None

    def _call(self, kind: Any, attribute: str, message: Mapping[str, Any]) -> Any:
        if kind is None:
            return None
        try:
            return getattr(_build(kind, message), attribute)
        except Exception as error:  # noqa: BLE001 - classes expect shapes that messages need not have
            self._log_once(kind, attribute, message, error)
            return None

    def _log_once(self, kind: type, attribute: str, message: Mapping[str, Any], error: Exception) -> None:
        """Once for each kind of error of a class; the next thousand messages have the same."""
        if (kind, type(error)) not in self._logged:
            self._logged.add((kind, type(error)))
            log.warning(
                "%s.%s of message %s raised %s: the processors and rules name whom they can (not logged again)",
                kind.__qualname__,
                attribute,
                message.get("msg_id"),
                one_line_of(error),
            )


def _load(entry: EntryPoint) -> Any:
    kind = entry.load()
    missing = [name for name in ("usernames", "packages") if not hasattr(kind, name)]
    if missing or not isinstance(kind, type):
        raise TypeError(f"{entry.value} is no message class: it has no {', '.join(missing) or 'constructor'}")
    return kind


def _build(kind: Any, message: Mapping[str, Any]) -> Any:
    """The message as its class has it, which may write into the headers, as koji's for tags does.

    With properties of its own the constructor asks for nothing else: neither for fedora-messaging's configuration
    nor for the classes of all other schemas.
    """
    headers = deepcopy(message["headers"])
    properties = SimpleNamespace(headers=headers, message_id=message.get("msg_id"), priority=None)
    return kind(body=message.get("msg"), topic=message["topic"], properties=properties)
