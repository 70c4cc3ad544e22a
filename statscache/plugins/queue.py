"""What a plugin has taken from messages and not yet written."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Queue(Generic[Item]):
    """Items in the order they were put: `process` puts, `update` drains.

    No lock is needed: the intake holds one around `process` and around the cut, and an `update` only ever
    sees the items of its cut, which nobody adds to.
    """

    def __init__(self) -> None:
        #: What waits for the next cut; always the same list. For the intake, which looks at its length.
        self.items: list[Item] = []
        self._offer: list[Item] | None = None

    def put(self, item: Item) -> None:
        """Add one item, of any kind. For `process`."""
        self.items.append(item)

    def drain(self) -> list[Item]:
        """Take and return all items there are, oldest first. For `update`.

        During a flush these are the items that were put up to one instant, the same for all plugins; they come again if
        the flush fails.
        """
        if self._offer is None:
            return self.cut()
        items, self._offer = self._offer, []
        return items

    def __len__(self) -> int:
        """Return how many items wait for the next cut."""
        return len(self.items)

    def cut(self) -> list[Item]:
        """Take and return all items put so far. For the flush."""
        items = self.items[:]
        self.items.clear()
        return items

    def truncate(self, length: int) -> None:
        """Forget the items put since there were `length` of them. For the intake, when a `process` raised."""
        del self.items[length:]

    def offer(self, items: list[Item]) -> None:
        """Let `drain` give a copy of these items instead of the waiting ones. For the flush."""
        self._offer = list(items)

    def withdraw(self) -> list[Item]:
        """End the offer and return what `drain` has not taken of it. For the flush."""
        rest, self._offer = self._offer or [], None
        return rest
