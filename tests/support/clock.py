"""A clock that is passed in, and moved by hand."""

from __future__ import annotations

NOON = 1_700_000_000.0


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON + 0.25

    def __call__(self) -> float:
        return self.now
