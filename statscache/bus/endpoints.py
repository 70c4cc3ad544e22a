"""What a bus is reached by, and what of it we do not hear."""

from __future__ import annotations

from collections.abc import Iterable


class Endpoints:
    """The endpoints that there are. For the watermark, which holds its lock."""

    def __init__(self) -> None:
        #: All of them.
        self.names: tuple[str, ...] = ()
        #: Those that are not connected, and since when on the monotonic clock.
        self.missing: dict[str, float] = {}
        #: Those by which another daemon hears what comes, and since when, in seconds since 1970.
        self.standby: dict[str, int] = {}

    def expect(self, names: Iterable[str], now: float) -> None:
        """Name those that there are, none of which is connected."""
        self.missing = dict.fromkeys(names, now)
        self.names = tuple(self.missing)

    @property
    def all_heard(self) -> bool:
        """Whether there are any, and we hear all of them."""
        return bool(self.names) and not self.missing and not self.standby
