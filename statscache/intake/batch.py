"""The messages of one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from statscache.hosting.dispatch import Taken
from statscache.intake.losses import Losses
from statscache.messages.message import Message, Naming, at_second, pseudonyms_of
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
    :param times: the seconds by which messages count, by id, where these are not their own
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
    times: Mapping[str, int] = field(default_factory=dict)
    #: By which list of those who are forgotten plugins have taken the first of its messages.
    names: int = field(init=False)

    def __post_init__(self) -> None:
        self.names = pseudonyms_of(self.naming).number

    @cached_property
    def copies(self) -> Batch:
        """The copies of bridges that may be kept back: plugins have taken none of these, and `refs` has none.

        Of the same message there can be a copy here and the original in `refs`.
        """
        return Batch(self.spool, self.naming, self.start, self.end, old=self.old)

    @property
    def size(self) -> int:
        """How many messages it has, those included that may be kept back."""
        return len(self.refs) + len(self.copies.refs)

    def add(self, message: Message, position: int, is_copy: bool = False) -> None:
        """Add a message that is not in it yet.

        :param is_copy: whether it is one that may be kept back
        """
        part = self.copies if is_copy else self
        part.refs[message.id] = position
        part.seconds.append(message.second)

    def has(self, message: Message, is_copy: bool) -> bool:
        """Return whether a message is in it.

        :param is_copy: whether it is one that may be kept back: of that its original will do
        """
        return message.id in self.refs or (is_copy and message.id in self.copies.refs)

    def only(self, ids: Collection[str]) -> Batch:
        """Return a batch with some of its messages."""
        some = Batch(self.spool, self.naming, self.start, self.end, old=self.old)
        some.refs = {id: position for id, position in self.refs.items() if id in ids}
        some.seconds = [second for id, second in zip(self.refs, self.seconds, strict=True) if id in ids]
        return some

    def messages(self, ids: Iterable[str]) -> Iterator[Message]:
        """Read messages back."""
        for id in ids:
            yield Message(self._body(id), self.naming)

    def _body(self, id: str) -> Mapping[str, Any]:
        body = self.spool.read(self.refs[id])
        return at_second(body, self.times[id]) if id in self.times else body


@dataclass
class OldBatch:
    """Messages of the past, which are held in memory since their archive has them.

    :param taken: what plugins have taken from all of them already, by the plugin's ident
    :param times: the seconds by which messages count, by id, where these are not their own
    """

    naming: Naming
    refs: dict[str, Message] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=list)
    taken: dict[str, Taken] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=dict)
    #: By which list of those who are forgotten its messages name people.
    names: int = field(init=False)

    def __post_init__(self) -> None:
        self.names = pseudonyms_of(self.naming).number

    def afresh(self) -> OldBatch:
        """Return a batch of the same messages of which plugins have taken nothing, and which name people anew."""
        batch = OldBatch(self.naming)
        for message in self.refs.values():
            batch.add(Message(message, self.naming))
        return batch

    def add(self, message: Message) -> None:
        """Add a message that is not in it yet."""
        self.refs[message.id] = message
        self.seconds.append(message.second)

    def messages(self, ids: Iterable[str]) -> Iterator[Message]:
        """Return messages."""
        for id in ids:
            message = self.refs[id]
            if id in self.times:
                message = Message(at_second(message, self.times[id]), self.naming)
            yield message
