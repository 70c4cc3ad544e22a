"""What the tables must hold, and in how many cells they do not. It knows nothing of statscache but its tables.

The windows are what tests.support.reference says, and so is all of the dashboard, which few messages are about. The
rest is counted here, in a fraction of the time, on the strength of how these messages are made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from benchmarks.messages import bodies
from tests.support.reference import (
    KINDS,
    LENGTHS,
    RELENG,
    Body,
    Cells,
    Reference,
    differences,
    project,
    window,
)
from tests.support.tables import tables_in

#: The kinds of tables that are off by default.
OFF = ("data_volume_by_topic", "data_volume_by_user", "data_volume_by_package")
#: The categories that the dashboard is about.
DASHBOARD = ("compose", "fedimg")
DAY = "1d"


def expected(messages: Path, times: Sequence[float] | None = None) -> Cells:
    """Return what the tables must hold after a file of messages, those that are off by default left out.

    :param times: the messages' timestamps, instead of those in the file; of so many from the first on
    """
    count = Count()
    for body in _with_times(bodies(messages), times):
        count.add(body)
    return count.tables()


def reference() -> Reference:
    """Return what works the same out message by message."""
    return Reference(lambda body: [body["msg"]["agent"]], lambda body: ())


def count_differences(url: str, wanted: Cells) -> int:
    """Return how many cells of the database's tables are not as they must be."""
    engine = create_engine(url)
    found = tables_in(engine)
    engine.dispose()
    return sum(differences({table: found[table] for table in wanted}, wanted).values())


class Count:
    """Counts messages as finely as any table does."""

    def __init__(self) -> None:
        self._categories: Counter[tuple[int, str]] = Counter()
        self._users: Counter[tuple[int, str]] = Counter()
        self._projects: Counter[tuple[int, str]] = Counter()
        self._notable: list[tuple[str, Body]] = []

    def add(self, body: Body) -> None:
        """Add a message."""
        second, category = math.floor(body["timestamp"]), body["topic"].split(".")[3]
        self._categories[second, category] += 1
        if category == "pagure":
            self._users[second, body["msg"]["agent"]] += 1
            for name in project(body):
                self._projects[second, name] += 1
        elif category in DASHBOARD:
            self._notable.append((body["msg_id"], body))

    def tables(self) -> Cells:
        """Return what the tables must hold."""
        counts: dict[str, Counter[Any]] = {
            "data_volume": _without_key(self._categories),
            "data_volume_by_category": self._categories,
            "data_pagure_contribution": _without_key(self._users),
            "data_pagure_user_contribution": self._users,
            "data_pagure_project_contribution": self._projects,
        }
        cells = {
            f"{kind}_{name}": _in_windows(counts[kind], LENGTHS[name])
            for kind, names in KINDS.items()
            for name in names
            if kind not in OFF
        }
        return {**cells, RELENG: reference().tables(self._notable)[RELENG]}


def _without_key(counts: Counter[tuple[int, str]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for (second, _), count in counts.items():
        found[second] += count
    return found


def _in_windows(counts: Counter[Any], length: int) -> dict[Any, int]:
    found: Counter[Any] = Counter()
    for place, count in counts.items():
        whole = isinstance(place, int)
        found[window(place, length) if whole else (window(place[0], length), place[1])] += count
    return dict(found)


def _with_times(
    messages: Iterable[dict[str, Any]], times: Sequence[float] | None
) -> Iterator[dict[str, Any]]:
    if times is None:
        yield from messages
        return
    for body, when in zip(messages, times, strict=False):  # a publisher that was stopped has not sent all
        yield body | {"timestamp": when}
