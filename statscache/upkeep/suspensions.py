"""Rereads suspensions: another process may have ended one, as `statscache quarantine retry` does."""

from __future__ import annotations

from statscache.hosting.suspensions import Suspensions


class RefreshSuspensions:
    """Makes the suspensions in memory and their table agree."""

    def __init__(self, suspensions: Suspensions) -> None:
        self._suspensions = suspensions

    def run(self) -> bool:
        """Do it."""
        self._suspensions.refresh()
        return False
