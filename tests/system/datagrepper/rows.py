"""The rows of the archive: encoded once, and found by bisection."""

from __future__ import annotations

import json
import random
import threading
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.reference import Body, usable
from tests.system.datagrepper.query import Query

#: What a row has where the message has nothing.
BLANK: dict[str, Any] = {
    "certificate": None,
    "crypto": None,
    "headers": {},
    "i": 0,
    "msg": {},
    "signature": None,
    "source_name": "datanommer",
    "source_version": "0.8.1",
    "username": None,
}


@dataclass(frozen=True)
class Late:
    """A row that is not in the archive before a request, counted from 1, and an instant in epoch seconds."""

    when: float
    data: bytes
    request: int
    instant: float


class Rows:
    """Rows by their exact timestamps, which are unlike those that they show. Threads may share it.

    :param exact: whether messages are shown as they were sent: with the fraction of a second, and without what a row
        of the real archive has besides
    :param shuffle: a seed: rows of the same timestamp come in another order at each request
    :param clock: tells the time in epoch seconds
    """

    def __init__(self, exact: bool, shuffle: int | None, clock: Callable[[], float]) -> None:
        self._exact, self._shuffle, self._clock = exact, shuffle, clock
        self._times: list[float] = []
        self._rows: list[bytes] = []
        self._seen: set[tuple[float, Any]] = set()
        self._late: list[Late] = []
        self._lock = threading.Lock()

    def add(self, bodies: Iterable[Body], request: int = 0, instant: float = 0.0) -> None:
        """Take in messages with a usable timestamp, each once, that are not there before a request and an instant."""
        with self._lock:
            for body in filter(usable, bodies):
                when, key, data = self._encode(body)
                if (when, key) not in self._seen:
                    self._seen.add((when, key))
                    self._late.append(Late(when, data, request, instant))

    def page(self, query: Query, number: int) -> bytes:
        """Return the answer to a request, given with its number."""
        with self._lock:
            self._admit(number)
            found = self._found(query)
            rows = [self._rows[at] for at in self._shown(query, found, number)]
        head = {"arguments": query.arguments, "count": len(rows), "pages": -(-len(found) // query.rows)}
        start = json.dumps(head)[:-1].encode()
        return b'%s, "raw_messages": [%s], "total": %d}' % (start, b", ".join(rows), len(found))

    def _encode(self, body: Body) -> tuple[float, Any, bytes]:
        shown = body if self._exact else as_row(body)
        data = json.dumps(shown, sort_keys=True).encode()
        return float(body["timestamp"]), data if self._exact else shown["msg_id"], data

    def _admit(self, number: int) -> None:
        """Make rows part of the archive whose time has come."""
        now = self._clock()
        due = [late for late in self._late if late.request <= number and late.instant <= now]
        if due:
            self._late = [late for late in self._late if late.request > number or late.instant > now]
        for late in sorted(due, key=lambda late: late.when):
            at = bisect_right(self._times, late.when)
            self._times.insert(at, late.when)
            self._rows.insert(at, late.data)

    def _found(self, query: Query) -> range:
        """Return the places of all rows of the span."""
        low = 0 if query.start is None else bisect_left(self._times, query.start)
        high = len(self._times) if query.end is None else bisect_right(self._times, query.end)
        return range(low, max(low, high))

    def _shown(self, query: Query, found: range, number: int) -> Iterable[int]:
        """Return the places of the rows of the page, in order."""
        first, last = (query.page - 1) * query.rows, query.page * query.rows
        if query.order == "asc":
            return self._mixed(found[first:last], number)
        shown = found[max(len(found) - last, 0) : max(len(found) - first, 0)]
        return reversed(list(self._mixed(shown, number)))

    def _mixed(self, shown: range, number: int) -> Iterator[int]:
        """Yield the places, those of each instant in an order of this request's own."""
        if self._shuffle is None:
            yield from shown
            return
        chance = random.Random(f"ties {self._shuffle} {number}")
        at = shown.start
        while at < shown.stop:
            instant = self._times[at]
            low, high = bisect_left(self._times, instant), bisect_right(self._times, instant)
            places = chance.sample(range(low, high), high - low)
            yield from places[at - low : shown.stop - low]
            at = high


def as_row(body: Body) -> dict[str, Any]:
    """Return a message as the real archive gives it: with all that a row has and no more, cut to the second."""
    known = {key: body.get(key, blank) for key, blank in BLANK.items()}
    when = float(body["timestamp"])
    named = {"msg_id": body.get("msg_id") or _name(body, when), "timestamp": float(int(when))}
    return {**known, **named, "topic": body["topic"]}


def _name(body: Body, when: float) -> str:
    """Return the id that the archive gives to a message without one."""
    content = json.dumps(body, sort_keys=True)
    return f"{datetime.fromtimestamp(when, UTC).year}-{uuid.uuid5(uuid.NAMESPACE_OID, content)}"
