"""The messages of one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from statscache.hosting.dispatch import Taken
from statscache.intake.losses import Losses
from statscache.messages.message import Message, Naming
from statscache.span import Span
from statscache.spool.spool import Spool


@dataclass
class Batch:
    """Messages in one spool, from one position up to another, each held as no more than its position.

    :param refs: where each message is, by its id
    :param seconds: the second of bus time of each message, in the order of `refs`
    :param taken: what plugins have taken from all of them already, by the plugin's ident
    :param heard: the bus time of which nothing is missing once this is committed; None if that is not known
    :param late: how many messages came when their time had been covered
    :param losses: what it should hold and cannot be read
    :param old: whether the ledger may not reach back to when it was accepted
    """

    spool: Spool
    naming: Naming
    start: int
    end: int
    refs: dict[str, int] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=list)
    taken: dict[str, Taken] = field(default_factory=dict)
    heard: Span | None = None
    late: int = 0
    losses: Losses = field(default_factory=lambda: Losses(0.0, 0))
    old: bool = False

    def add(self, message: Message, position: int) -> None:
        """Add a message that is not in it yet."""
        self.refs[message.id] = position
        self.seconds.append(message.second)

    def messages(self, ids: Iterable[str]) -> Iterator[Message]:
        """Read messages back."""
        for id in ids:
            yield Message(self.spool.read(self.refs[id]), self.naming)


@dataclass
class OldBatch:
    """Messages of the past, which are held in memory since their archive has them.

    :param taken: what plugins have taken from all of them already, by the plugin's ident
    """

    naming: Naming
    refs: dict[str, Message] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=list)
    taken: dict[str, Taken] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Add a message that is not in it yet."""
        self.refs[message.id] = message
        self.seconds.append(message.second)

    def messages(self, ids: Iterable[str]) -> Iterator[Message]:
        """Return messages."""
        return (self.refs[id] for id in ids)
