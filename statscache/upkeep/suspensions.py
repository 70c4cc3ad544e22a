"""Another process may have ended a suspension, as `statscache quarantine retry` does."""

from __future__ import annotations

from statscache.hosting.suspensions import Suspensions


class RefreshSuspensions:
    """Brings what is known of suspensions and their table together."""

    def __init__(self, suspensions: Suspensions) -> None:
        self._suspensions = suspensions

    def run(self) -> bool:
        """Do it."""
        self._suspensions.refresh()
        return False
