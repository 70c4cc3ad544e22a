"""A page on statistics of every kind, and what their figures are, worked out in plain Python."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from statscache.plugins import Schedule
from statscache.query.statistics import Statistic, statistics
from statscache.query.tables import serve
from statscache.schema.bots import keep_bots
from tests.support.databases import new_database
from tests.support.durations import bucket
from tests.support.packages import install
from tests.support.place import Place
from tests.support.web import Server

CODE = """
from datetime import timedelta

from statscache.plugins import (
    CountingPlugin, DurationPlugin, FirstSeenPlugin, MeasuringPlugin, counting_model, duration_model,
    first_seen_model, measuring_model
)

KEYS = {"category": "the category", "kind": "what it was"}


class Nothing:
    def process(self, message):
        pass


class Deeds(Nothing, CountingPlugin):
    name = "deeds"
    summary = "Deeds of people"
    description = "What people do."
    interval = timedelta(hours=1)
    model = counting_model("test_kinds_deeds_1h", "deeds", person="agent", agent="who", **KEYS)


class DeedsOfDays(Deeds):
    interval = timedelta(days=1)
    model = counting_model("test_kinds_deeds_1d", "deeds", person="agent", agent="who", **KEYS)


class Sizes(Nothing, MeasuringPlugin):
    name = "sizes"
    summary = "Sizes of uploads"
    description = "How large uploads are."
    interval = timedelta(hours=1)
    model = measuring_model("test_kinds_sizes_1h", "sizes", unit="bytes", **KEYS)


class SizesOfDays(Sizes):
    interval = timedelta(days=1)
    model = measuring_model("test_kinds_sizes_1d", "sizes", unit="bytes", **KEYS)


class Lengths(Nothing, DurationPlugin):
    name = "lengths"
    summary = "How long jobs take"
    description = "How long jobs take from start to end."
    interval = timedelta(hours=1)
    give_up = timedelta(days=2)
    model = duration_model("test_kinds_lengths_1h", "lengths", **KEYS)


class Arrivals(Nothing, FirstSeenPlugin):
    name = "arrivals"
    summary = "Who came"
    description = "When each person came."
    model = first_seen_model("test_kinds_arrivals", "arrivals", person="agent", agent="who", **KEYS)


class Sightings(Nothing, FirstSeenPlugin):
    name = "sightings"
    summary = "What was seen"
    description = "When each thing was seen."
    model = first_seen_model("test_kinds_sightings", "sightings", agent="what", **KEYS)


plugins = [Deeds, DeedsOfDays, Sizes, SizesOfDays, Lengths, Arrivals, Sightings]
"""
IDENTS = ("deeds", "lengths", "sizes", "arrivals", "sightings")
#: Those of first times, of which one names a person; and the finest table of each statistic.
EVER = ("arrivals", "sightings")
FINEST = {ident: f"test_kinds_{ident}{'' if ident in EVER else '_1h'}" for ident in IDENTS}
DAYS, HOUR, DAY = 60, 3600, 86_400
CATEGORIES, KINDS = ("bodhi", "copr", "git", "pagure"), ("old", "new")
BOTS = ["robot*"]
#: The second, who did it (deeds only), the category, the kind, and how often, how much, or how long.
Event = tuple[int, str, str, str, Any]
Rows = Sequence[Event]


@cache
def plugins() -> list[Any]:
    """Return the classes, as this process has them."""
    module = ModuleType("kinds")
    exec(CODE, module.__dict__)
    return list(module.plugins)


def kinds_of_statistics() -> dict[str, Statistic]:
    """Return the statistics."""
    made = [kind(Schedule(kind.interval) if kind.interval else None, {}) for kind in plugins()]
    return statistics({plugin.ident: serve(plugin) for plugin in made})


def events(now: datetime) -> dict[str, Rows]:
    """Return what has happened, by the statistic that tells of it; nothing on some days, and in the last of a week."""
    chance = random.Random(11)
    start = int(now.timestamp()) // DAY * DAY - DAYS * DAY
    found: dict[str, list[Event]] = {ident: [] for ident in IDENTS}
    for ident in IDENTS:
        for _ in range(3000):
            second = start + chance.randrange(DAYS * DAY)
            if second // DAY % 13 == 5 or second >= int(now.timestamp()):
                continue
            place = min(chance.randrange(6), 3)
            people = 1500 if ident in EVER else 60
            who = (
                f"person{min(chance.randrange(people), chance.randrange(people))}"
                if chance.random() < 0.9
                else f"robot{chance.randrange(people) if ident in EVER else 1}"
            )
            keys = second, who, CATEGORIES[place], KINDS[chance.randrange(2)]
            found[ident].append((*keys, _value(ident, place, chance)))
    return {ident: sorted(its) for ident, its in found.items()}


def _value(ident: str, place: int, chance: random.Random) -> Any:
    if ident in EVER:
        return 1
    if ident == "deeds":
        return chance.randrange(1, 4)
    if ident == "sizes":
        return Fraction(chance.randrange(-2000, 900_000), 4) * (place + 1)
    if chance.random() < 0.05:
        return None
    return 0 if chance.random() < 0.02 else int(math.exp(chance.gauss(6 + place, 1)))


def _quantile(q: Fraction) -> Callable[[Rows], Fraction | None]:
    def of(rows: Rows) -> Fraction | None:
        lengths = sorted(row[4] for row in rows if row[4] is not None)
        return Fraction(lengths[max(math.ceil(q * len(lengths)), 1) - 1]) if lengths else None

    return of


def _mean(rows: Rows) -> Fraction | None:
    values = [Fraction(row[4]) for row in rows if row[4] is not None]
    return sum(values, Fraction()) / len(values) if values else None


#: What each figure of some events is, by the statistic and the figure's name.
ORACLE: dict[str, dict[str, Callable[[Rows], Any]]] = {
    "deeds": {
        "volume": lambda rows: sum(row[4] for row in rows),
        "people": lambda rows: len({row[1] for row in rows if not row[1].startswith("robot")}),
    },
    "sizes": {
        "sum": lambda rows: sum((row[4] for row in rows), Fraction()),
        "count": len,
        "mean": _mean,
        "least": lambda rows: min((row[4] for row in rows), default=None),
        "greatest": lambda rows: max((row[4] for row in rows), default=None),
    },
    "lengths": {
        "median": _quantile(Fraction(1, 2)),
        "p90": _quantile(Fraction(9, 10)),
        "mean": _mean,
        "volume": lambda rows: sum(row[4] is not None for row in rows),
        "without_begin": lambda rows: sum(row[4] is None for row in rows),
    },
    "arrivals": {"new": len},
    "sightings": {"new": len},
}
FIGURES = [(ident, figure) for ident, its in ORACLE.items() for figure in its]


def counted(ident: str, its: Iterable[Event], by: int | None) -> list[Event]:
    """Return the events of which figures are taken: all, or the first of each person or thing, under each key.

    :param by: the place of the key that is told apart, None for none
    """
    if ident not in EVER:
        return list(its)
    firsts: dict[Any, Event] = {}
    for event in sorted(its, key=lambda event: event[0]):
        if ident == "arrivals" and event[1].startswith("robot"):
            continue
        who = event[1] if ident == "arrivals" else event[1:4]
        firsts.setdefault((who, None if by is None else event[by]), event)
    return list(firsts.values())


def agrees(figure: str, found: Any, true: Any) -> bool:
    """Return whether a value is what it should be: quantiles within 1 %, means to nine digits, all else exactly."""
    if found is None or true is None:
        return found is true
    share = Fraction(1, 100) if figure in ("median", "p90") else Fraction(1, 10**9) if figure == "mean" else 0
    return abs(Fraction(found) - Fraction(true)) <= abs(Fraction(true)) * share


@dataclass
class Kinds:
    """A page on these statistics, and what has happened."""

    web: Server
    engine: Engine
    now: datetime
    events: Mapping[str, Rows]
    statistics: Mapping[str, Statistic]
    path: str
    url: str = field(repr=False)


@contextmanager
def kinds(server: Engine, directory: Path, now: datetime | None = None) -> Iterator[Kinds]:
    """Give the page; it must end well, and log nothing."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    package = install(directory / "installed", "webkinds", CODE, webkinds="plugins")
    with new_database(server) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", package, prepend=os.pathsep)
        Place(directory, url).write("none.jsonl", "")
        assert Place(directory, url).run("replay", "none.jsonl")[0] == 0
        engine = create_engine(url, executemany_mode="values_plus_batch", executemany_batch_page_size=1000)
        keep_bots(engine, BOTS)
        its = events(now)
        fill(engine, its, now)
        web = Server(directory, url)
        try:
            yield Kinds(web, engine, now, its, kinds_of_statistics(), package, url)
        finally:
            ended = web.end()
            engine.dispose()
        assert ended == (0, ""), ended


def fill(engine: Engine, its: Mapping[str, Rows], now: datetime) -> None:
    """Let the tables have what has happened, and all of its time be counted but for half a day."""
    for ident in EVER:
        with engine.begin() as connection:
            insert = "VALUES (:agent, :category, :kind, to_timestamp(:first), to_timestamp(:last))"
            connection.execute(text(f"INSERT INTO {FINEST[ident]} {insert}"), times_rows(its[ident]))
    tables = {"deeds": deeds_rows, "sizes": sizes_rows, "lengths": lengths_rows}
    for ident, length in (
        ("deeds", HOUR),
        ("deeds", DAY),
        ("sizes", HOUR),
        ("sizes", DAY),
        ("lengths", HOUR),
    ):
        rows = tables[ident](its[ident], length)
        names = ", ".join(f":{name}" for name in rows[0] if name != "timestamp")
        table = f"test_kinds_{ident}_{'1h' if length == HOUR else '1d'}"
        insert = f"INSERT INTO {table} VALUES (to_timestamp(:timestamp), {names})"
        with engine.begin() as connection:
            connection.execute(text(insert), rows)
    today = now.replace(hour=0, minute=0, second=0)
    start = today - timedelta(days=DAYS + 3)
    gap = today - timedelta(days=3), today - timedelta(days=2, hours=12)
    covered = f"{{[{start},{gap[0]}),[{gap[1]},{now})}}"
    update = (
        "INSERT INTO statscache_coverage (plugin, covered, since, updated) SELECT ident, "
        "CAST(:covered AS tstzmultirange), :start, :now FROM statscache_plugin ON CONFLICT (plugin) DO UPDATE SET "
        "covered = excluded.covered, since = excluded.since, updated = excluded.updated"
    )
    with engine.begin() as connection:
        connection.execute(text(update), {"covered": covered, "start": start, "now": now})


def _grouped(its: Rows, length: int, *columns: int) -> dict[tuple[Any, ...], list[Event]]:
    found: dict[tuple[Any, ...], list[Event]] = {}
    for event in its:
        found.setdefault((event[0] // length * length, *(event[at] for at in columns)), []).append(event)
    return found


def deeds_rows(its: Rows, length: int) -> list[dict[str, Any]]:
    """Return the rows of the table of deeds."""
    names = ("timestamp", "agent", "category", "kind", "volume")
    return [
        dict(zip(names, (*key, sum(event[4] for event in rows)), strict=True))
        for key, rows in _grouped(its, length, 1, 2, 3).items()
    ]


def times_rows(its: Rows) -> list[dict[str, Any]]:
    """Return the rows of a table of first times."""
    found: dict[tuple[str, ...], list[int]] = {}
    for second, *keys, _ in its:
        found.setdefault(tuple(keys), []).append(second)
    names = ("agent", "category", "kind", "first", "last")
    return [
        dict(zip(names, (*keys, min(seconds), max(seconds)), strict=True)) for keys, seconds in found.items()
    ]


def sizes_rows(its: Rows, length: int) -> list[dict[str, Any]]:
    """Return the rows of the table of sizes."""
    names = ("timestamp", "category", "kind", "count", "sum", "least", "greatest")
    return [
        dict(
            zip(
                names,
                (*key, len(rows), *(float(f([r[4] for r in rows])) for f in (sum, min, max))),
                strict=True,
            )
        )
        for key, rows in _grouped(its, length, 2, 3).items()
    ]


def lengths_rows(its: Rows, length: int) -> list[dict[str, Any]]:
    """Return the rows of the table of lengths."""
    names = ("timestamp", "category", "kind", "bucket", "volume", "seconds")
    found: dict[tuple[Any, ...], list[int]] = {}
    for second, _, category, kind, seconds in its:
        row = found.setdefault((second // length * length, category, kind, bucket(seconds)), [0, 0])
        row[0] += 1
        row[1] += seconds or 0
    return [dict(zip(names, (*key, *row), strict=True)) for key, row in found.items()]
