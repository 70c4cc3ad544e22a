"""What has come and is not yet accepted: a few messages together cost half of what they cost one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: So many messages are accepted together at most: as many as `statscache.hosting.dispatch` hands to one plugin at once.
AT_ONCE = 128


class MicroBatch(Generic[Item]):
    """Gathers messages for as long as one comes upon the other. For the reactor's thread alone.

    :param accept: takes messages, in the order in which they came
    :param later: calls a function once the reactor has read what there is to be read
    """

    def __init__(
        self,
        accept: Callable[[Sequence[Item]], object],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self._accept = accept
        self._later = later
        self._items: list[Item] = []
        self._due = False

    def put(self, item: Item) -> None:
        """Add a message, which is accepted when the reactor has a moment, or with the last of `AT_ONCE`."""
        self._items.append(item)
        if not self._due:
            self._due = True
            self._later(self._empty_when_due)
        if len(self._items) >= AT_ONCE:
            self.empty()

    def empty(self) -> None:
        """Accept what there is."""
        if self._items:
            items, self._items = self._items, []
            self._accept(items)

    def _empty_when_due(self) -> None:
        self._due = False
        self.empty()
