"""What one plugin is to count in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from statscache.hosting.dispatch import Taken
from statscache.intake.batch import Batch, OldBatch
from statscache.messages.message import Message

#: Gives the messages with these ids.
Read = Callable[[Iterable[str]], Iterator[Message]]


@dataclass(frozen=True)
class Share:
    """The messages that one plugin is to count in a transaction.

    :param read: reads messages back by their ids
    :param taken: what the plugin has taken from exactly these messages already; None if it has not
    """

    ids: Sequence[str]
    read: Read
    taken: Taken | None = None

    def halves(self) -> tuple[Share, Share]:
        """Return its first and its second half, of which nothing is taken yet."""
        middle = len(self.ids) // 2
        return Share(self.ids[:middle], self.read), Share(self.ids[middle:], self.read)


def share_of(batch: Batch | OldBatch, plugin: str, ids: Sequence[str]) -> Share:
    """Return some messages of a batch as a plugin's share: what it has taken already counts if that is all of it.

    :param plugin: its ident
    """
    is_whole = len(ids) == len(batch.refs) and not batch.times
    return Share(ids, batch.messages, batch.taken.get(plugin) if is_whole else None)
