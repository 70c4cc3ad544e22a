"""Requests that are held up, so that a test can do something meanwhile."""

from __future__ import annotations

import threading
from enum import StrEnum


class Where(StrEnum):
    """At which point a request is held up."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


class Stops:
    """Holds up requests at points told before. Threads share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._places: set[tuple[int, Where]] = set()
        self._held: set[tuple[int, Where]] = set()

    def add(self, number: int, where: Where) -> None:
        """Let the request of that number, counted from 1, be held up until released."""
        with self._changed:
            self._places.add((number, where))

    def wait(self, timeout: float) -> bool:
        """Wait until a request is held up; False if none was for so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._held), timeout)

    def release(self) -> None:
        """Let all go on that is held up, and forget the places where more would have been."""
        with self._changed:
            self._places.clear()
            self._held.clear()
            self._changed.notify_all()

    def due(self, number: int, where: Where) -> bool:
        """Return whether the request is to be held up there."""
        with self._changed:
            return (number, where) in self._places

    def pass_by(self, number: int, where: Where) -> None:
        """Be held up, on the request's thread, if it is to be."""
        place = (number, where)
        with self._changed:
            if place in self._places:
                self._held.add(place)
                self._changed.notify_all()
                self._changed.wait_for(lambda: place not in self._held)
