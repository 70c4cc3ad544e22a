"""What durations must come to, by a program of its own: loops over messages, no SQL, nothing of statscache."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from statscache.plugins import DurationPlugin, Message, duration_model

#: (window, keys, bucket): how many, and their sum in seconds.
Rows = dict[tuple[int, tuple[str, ...], int], tuple[int, int]]
GIVE_UP = 90


class Lengths(DurationPlugin):
    """Measures what a message's word says: a list of ``[method, id, key, …]``."""

    name = summary = description = "lengths"
    model = duration_model("test_lengths", "how long things took", kind="what", who="who did it")
    interval = timedelta(minutes=1)
    give_up: ClassVar[timedelta] = timedelta(seconds=GIVE_UP)

    def process(self, message: Message) -> None:
        for method, *arguments in message["msg"]["word"]:
            getattr(self, method)(message, *arguments)


@dataclass(frozen=True)
class Sent:
    """A message: in which second it was sent, and what it says."""

    second: int
    msg_id: str
    says: tuple[tuple[Any, ...], ...]

    @property
    def body(self) -> dict[str, Any]:
        """It as it comes over the bus."""
        word = [list(part) for part in self.says]
        return {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": self.second, "msg_id": self.msg_id}


def expected(messages: Iterable[Sent], give_up: int = GIVE_UP, window: int = 60) -> Rows:
    """Return all rows that some messages come to, each of which may be there several times."""
    by_id: dict[str, list[tuple[int, int, bytes, tuple[Any, ...]]]] = {}
    for message in {message.msg_id: message for message in messages}.values():
        said = set()
        for method, id, *keys in message.says:
            if (method, id) not in said:
                said.add((method, id))
                place = message.second, int(method == "ended"), message.msg_id.encode(), tuple(keys)
                by_id.setdefault(id, []).append(place)
    rows: Rows = {}
    for events in by_id.values():
        open_since: list[int] = []
        for second, ends, _, keys in sorted(events, key=lambda event: event[:3]):
            if not ends:
                open_since.append(second)
                continue
            known = [begin for begin in open_since if second - begin <= give_up]
            length = second - known[0] if known else None
            row = second - second % window, keys, bucket(length)
            volume, seconds = rows.get(row, (0, 0))
            rows[row] = volume + 1, seconds + (length or 0)
            open_since = []
    return rows


def bucket(length: int | None) -> int:
    """Return the bucket of a duration, None for that of an end without a begin."""
    if not length:
        return -1 if length is None else 0
    return 1 + math.ceil(math.log(length) / 0.018)


def found(bench: Any, table: str = "test_lengths") -> Rows:
    """Return all rows of a table."""
    query = f"SELECT extract(epoch FROM timestamp)::bigint, kind, who, bucket, volume, seconds FROM {table}"
    return {(start, (kind, who), at): (n, total) for start, kind, who, at, n, total in bench.execute(query)}
