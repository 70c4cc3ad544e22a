"""What the tables must hold after the year's messages, worked out from these in plain Python."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.year import BOTS, BUILD, DAY, Body

HOUR, WEEK = 3600, 7 * DAY
#: A Monday and the first of July, in seconds since 1970; in koji something is given up after a week.
MONDAY, JULY, GIVE_UP = 1_672_617_600, 1_688_169_600, WEEK
OUTCOMES = {1: "complete", 3: "failed", 4: "canceled"}
#: The tables.
BY_AGENT, BY_USER = "data_contribution", "data_volume_by_user"
PAGURE_USERS, PAGURE_PROJECTS = "data_pagure_user_contribution_1d", "data_pagure_project_contribution_1d"
NEWCOMERS, BUILDS = "data_newcomer", "data_koji_build_1h"
#: What selects the cells of each: what a row is about, and its figures.
SELECTS = {
    f"{BY_AGENT}_1h": "extract(epoch FROM timestamp)::bigint, agent, category, volume",
    f"{BY_AGENT}_1d": "extract(epoch FROM timestamp)::bigint, agent, category, volume",
    f"{BY_USER}_1h": "extract(epoch FROM timestamp)::bigint, username, volume",
    f"{BY_USER}_1d": "extract(epoch FROM timestamp)::bigint, username, volume",
    PAGURE_USERS: "extract(epoch FROM timestamp)::bigint, username, volume",
    PAGURE_PROJECTS: "extract(epoch FROM timestamp)::bigint, project, volume",
    NEWCOMERS: "agent, category, ARRAY[extract(epoch FROM first), extract(epoch FROM last)]::bigint[]",
    BUILDS: "extract(epoch FROM timestamp)::bigint, outcome, bucket, ARRAY[volume, seconds]",
}
#: The tables that have a person among their keys.
OF_PEOPLE = tuple(table for table in SELECTS if table not in (PAGURE_PROJECTS, BUILDS))
#: So many rows are read at once.
READ = 50_000
Row = tuple[Any, ...]
Cells = Mapping[Row, Any]


class Counts:
    """Counts messages as they are, each of which comes once."""

    def __init__(self) -> None:
        #: By hour, agent and category; by hour and who is named; by day and user, or project, on pagure.io.
        self.by_agent: Counter[tuple[int, str, str]] = Counter()
        self.by_user: Counter[tuple[int, str]] = Counter()
        self._pagure_users: Counter[tuple[int, str]] = Counter()
        self._pagure_projects: Counter[tuple[int, str]] = Counter()
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}
        self._begun: dict[int, int] = {}
        self._ended: dict[int, tuple[int, str]] = {}

    def add(self, bodies: Iterable[Body]) -> None:
        """Add messages."""
        for body in bodies:
            second, msg = int(body["timestamp"]), body["msg"]
            if body["topic"] == BUILD:
                self._add_build(second, msg)
            elif "agent" in msg:
                self._add_deed(second, body["topic"].split(".")[3], msg)

    def _add_build(self, second: int, msg: Mapping[str, Any]) -> None:
        if msg["new"]:
            self._ended[msg["build_id"]] = second, OUTCOMES[msg["new"]]
        else:
            self._begun[msg["build_id"]] = second

    def _add_deed(self, second: int, category: str, msg: Mapping[str, Any]) -> None:
        agent, hour, day = msg["agent"], second - second % HOUR, second - second % DAY
        self.by_agent[hour, agent, category] += 1
        for name in {agent, msg.get("assignee", agent)}:
            self.by_user[hour, name] += 1
            if category == "pagure":
                self._pagure_users[day, name] += 1
        if category == "pagure":
            self._pagure_projects[day, msg["project"]["name"]] += 1
        first, last = self._seen.get((agent, category), (second, second))
        self._seen[agent, category] = min(first, second), max(last, second)

    @property
    def lengths(self) -> Iterator[tuple[int, str, int | None]]:
        """Yield of each build when it ended, how, and how many seconds it took, None without a known begin."""
        for build, (stop, outcome) in self._ended.items():
            length = stop - self._begun.get(build, -GIVE_UP)
            yield stop, outcome, length if length <= GIVE_UP else None

    def tables(self) -> Iterator[tuple[str, Cells]]:
        """Yield the cells of each table."""
        yield f"{BY_AGENT}_1h", self.by_agent
        yield f"{BY_AGENT}_1d", _by_day(self.by_agent)
        yield f"{BY_USER}_1h", self.by_user
        yield f"{BY_USER}_1d", _by_day(self.by_user)
        yield PAGURE_USERS, self._pagure_users
        yield PAGURE_PROJECTS, self._pagure_projects
        yield NEWCOMERS, {keys: list(ends) for keys, ends in self._seen.items()}
        yield BUILDS, self._builds()

    def _builds(self) -> Cells:
        found: dict[tuple[Any, ...], list[int]] = {}
        for stop, outcome, length in self.lengths:
            row = found.setdefault((stop - stop % HOUR, outcome, _bucket(length)), [0, 0])
            row[0] += 1
            row[1] += length or 0
        return found

    def by_month(self) -> list[Row]:
        """Return how many people there are by month and category."""
        seen = {(_month(hour), category, agent) for hour, category, agent in self._deeds}
        return [(*key, count) for key, count in Counter(each[:2] for each in seen).items()]

    def of_july(self) -> list[Row]:
        """Return how many people there are in July, by category."""
        return [(category, count) for month, category, count in self.by_month() if month == JULY]

    def cohorts(self) -> list[Row]:
        """Return how many of those who came in one quarter were active in another."""
        found = Counter((min(its), quarter) for its in self._quarters.values() for quarter in its)
        return [(*key, count) for key, count in found.items()]

    def activity(self) -> list[Row]:
        """Return who is active in each quarter: how many, and of these new, also in the one before, and back again."""
        quarters = self._quarters.values()
        every = sorted(set().union(*quarters))
        rows = []
        for before, now in pairwise([0, *every]):
            its = [(min(each) == now, before in each) for each in quarters if now in each]
            new, stayed = (sum(marks) for marks in zip(*its, strict=True))
            rows.append((now, len(its), new, stayed, len(its) - new - stayed))
        return rows

    def medians(self) -> list[Row]:
        """Return how many builds ended in each week, and the median of their seconds."""
        weeks: dict[int, list[int]] = defaultdict(list)
        for stop, _, length in self.lengths:
            if length is not None:
                weeks[stop - (stop - MONDAY) % WEEK].append(length)
        return [
            (week, len(its), float(sorted(its)[math.ceil(len(its) / 2) - 1])) for week, its in weeks.items()
        ]

    @property
    def _deeds(self) -> Iterator[tuple[int, str, str]]:
        """Yield the hour, the category and the person of what was done by people."""
        return ((hour, category, agent) for hour, agent, category in self.by_agent if agent not in BOTS)

    @property
    def _quarters(self) -> dict[str, set[int]]:
        """The quarters in which each person was active."""
        active: dict[str, set[int]] = defaultdict(set)
        for hour, _, agent in self._deeds:
            active[agent].add(_quarter(hour))
        return active


def count_differences(url: str, table: str, wanted: Cells) -> int:
    """Return how many cells of a table are not as they must be."""
    left, wrong = dict(wanted), 0
    engine = create_engine(url)
    with engine.connect().execution_options(stream_results=True, yield_per=READ) as connection:
        for *about, figure in connection.execute(text(f"SELECT {SELECTS[table]} FROM {table}")):
            wrong += left.pop(tuple(about), None) != figure
    engine.dispose()
    return wrong + len(left)


@lru_cache(20_000)
def _month(second: int) -> int:
    """Return the start of the month in which a second lies."""
    return int(_date(second).replace(day=1).timestamp())


@lru_cache(20_000)
def _quarter(second: int) -> int:
    """Return the start of the quarter in which a second lies."""
    date = _date(second)
    return int(date.replace(month=(date.month - 1) // 3 * 3 + 1, day=1).timestamp())


def _date(second: int) -> datetime:
    return datetime.fromtimestamp(second - second % DAY, UTC)


def _by_day(counts: Mapping[Any, int]) -> Cells:
    found: Counter[tuple[Any, ...]] = Counter()
    for (hour, *keys), count in counts.items():
        found[(hour - hour % DAY, *keys)] += count
    return found


def _bucket(length: int | None) -> int:
    if not length:
        return -1 if length is None else 0
    return 1 + math.ceil(math.log(length) / 0.018)
