"""The messages of one flush."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from statscache.message import Message, Naming
from statscache.quarantine import Failure
from statscache.spool import Spool


@dataclass
class Taken:
    """What one plugin has taken from messages.

    :param items: what it has put into its queue
    :param failures: why its `process` refused a message, by the message's id
    :param seconds: about how long it took
    """

    items: list[Any] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Batch:
    """Messages in one spool, from one position up to another, each held as no more than its position.

    :param refs: where each message is, by its id
    :param taken: what plugins have taken from all of them already, by the plugin's ident
    """

    spool: Spool
    naming: Naming
    start: int
    end: int
    refs: dict[str, int] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)

    def messages(self, ids: Iterable[str]) -> Iterator[Message]:
        """Read messages back."""
        for id in ids:
            yield Message(self.spool.read(self.refs[id]), self.naming)
