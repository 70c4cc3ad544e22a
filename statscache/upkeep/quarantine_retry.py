"""Retries messages in the quarantine when they are due."""

from __future__ import annotations

import random
from collections import deque

from sqlalchemy import Engine

from statscache.counting.writer import Writer
from statscache.hosting.suspensions import Suspensions
from statscache.store import quarantine

#: The plugins with messages that are due, each to get its turn.
Due = deque[str]


class FindDue:
    """Finds the plugins with messages whose next attempt is due.

    :param due: is filled with them
    """

    def __init__(self, engine: Engine, writer: Writer, due: Due) -> None:
        self._engine = engine
        self._writer = writer
        self._due = due

    def run(self) -> bool:
        """Find them."""
        with self._engine.connect() as connection:
            found = quarantine.due(connection, self._writer.plugins)
        random.shuffle(found)  # so that each gets its turn if the time is too short for all
        self._due.clear()
        self._due.extend(found)
        return False


class RetryDue:
    """Tries some of the messages of one plugin after the other.

    :param due: as `FindDue` fills it
    """

    def __init__(self, writer: Writer, suspensions: Suspensions, due: Due) -> None:
        self._writer = writer
        self._suspensions = suspensions
        self._due = due

    def run(self) -> bool:
        """Try some, and return whether any plugin had some."""
        if not self._due:
            return False
        plugin = self._due.popleft()
        if self._suspensions.holds(plugin):
            return True
        if self._writer.retry(plugin, quarantine.due_rows(plugin)):
            self._due.append(plugin)
        return True
