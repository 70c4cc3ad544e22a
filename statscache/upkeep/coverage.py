"""Covers time on a quiet bus, where no flush does it."""

from __future__ import annotations

from statscache.counting.commits import Commits


class CoverHeard:
    """Covers the time that was heard and whose messages are all committed."""

    def __init__(self, commits: Commits) -> None:
        self._commits = commits

    def run(self) -> bool:
        """Do it."""
        self._commits.commit_nothing()
        return False
