"""Naming people, but for those who are forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statscache.messages.message import Naming
from statscache.messages.pseudonyms import Pseudonyms


class Renaming:
    """Names users, packages and agents as another does, but those who are forgotten by what is written instead."""

    def __init__(self, naming: Naming, pseudonyms: Pseudonyms) -> None:
        self._naming = naming
        self.pseudonyms = pseudonyms

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The users that the message names."""
        names = self._naming.usernames(message)
        return frozenset(map(self.pseudonyms.of, names)) if self.pseudonyms else names

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The packages that the message names."""
        return self._naming.packages(message)

    def agent(self, message: Mapping[str, Any]) -> str | None:
        """Who did what the message tells of, or None."""
        name = self._naming.agent(message)
        return name if name is None else self.pseudonyms.of(name)
