"""The shape that all chores have."""

from __future__ import annotations

from typing import Protocol


class Chore(Protocol):
    """Something that is done beside the flush, on the flush's thread."""

    def run(self) -> bool:
        """Do it, or a part of it, and return whether there may be more to do at once.

        :raises Exception: whatever it met; it is done again later
        """
        ...
