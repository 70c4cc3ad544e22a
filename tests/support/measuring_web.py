"""An API on what a plugin of a package has measured every hour around the times at which clocks in Europe are set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support.databases import new_database
from tests.support.hourly import AUTUMN, HOUR, KEYS, SPRING
from tests.support.packages import install
from tests.support.place import Place
from tests.support.web import Server

PATH = "/api/sizes-1h"
CODE = """
from datetime import timedelta

from statscache.plugins import MeasuringPlugin, measuring_model


class Hours(MeasuringPlugin):
    name = "sizes"
    summary = "Sizes of uploads"
    description = "How large uploads are, by category."
    interval = timedelta(hours=1)
    model = measuring_model("web_sizes_1h", "sizes of uploads", unit="bytes", category="the category")

    def process(self, message):
        self.measure(message, message["msg"]["size"], message.category)


class Days(Hours):
    interval = timedelta(days=1)
    model = measuring_model("web_sizes_1d", "sizes of uploads", unit="bytes", category="the category")


plugins = [Hours, Days]
"""
#: The second, the key, how many, and the sum, the least and the greatest of the values as texts.
Row = tuple[int, str, int, str, str, str]
Cell = dict[str, Any]
LARGE = "12345678901234567890123456789.123456789"


def rows() -> list[Row]:
    """Return the rows of the table with hours."""
    return [
        (second, key, 1 + place % 3, *_figures(place, number))
        for place, second in enumerate(s for span in (SPRING, AUTUMN) for s in range(*span, HOUR))
        for number, key in enumerate(KEYS)
        if place % (number + 1) == 0
    ]


def _figures(place: int, number: int) -> tuple[str, str, str]:
    if place == 12:
        return LARGE, f"-0.00000000{number + 1}", LARGE
    return f"{place * 7 % 23}.{number + 1}", f"-{place % 11}.25", str(place % 13 + number)


def merged(its: Iterable[Row]) -> dict[str, Fraction] | None:
    """Return the figures of several rows, None of none."""
    cells = [(count, *map(Fraction, figures)) for _, _, count, *figures in its]
    if not cells:
        return None
    counts, sums, leasts, greatests = zip(*cells, strict=True)
    return {
        "count": Fraction(sum(counts)),
        "sum": sum(sums, Fraction()),
        "least": min(leasts),
        "greatest": max(greatests),
    }


def by(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, dict[str, Fraction]]:
    """Return the figures of the rows of each key."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: found for name, its in groups.items() if (found := merged(its))}


@dataclass
class Measured:
    """An API, and the rows of `PATH`."""

    web: Server
    engine: Engine
    rows: list[Row]


@contextmanager
def measured(server: Engine, directory: Path) -> Iterator[Measured]:
    """Give the API; it must end well, and log nothing."""
    package = install(directory / "installed", "websizes", CODE, websizes="plugins")
    with new_database(server) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", package, prepend=os.pathsep)
        Place(directory, url).write("none.jsonl", "")
        assert Place(directory, url).run("replay", "none.jsonl")[0] == 0
        engine = create_engine(url)
        its = rows()
        insert = "INSERT INTO web_sizes_1h VALUES (to_timestamp(:t), :k, :c, :s, :l, :g)"
        with engine.begin() as connection:
            connection.execute(text(insert), [dict(zip("tkcslg", row, strict=True)) for row in its])
        web = Server(directory, url)
        try:
            yield Measured(web, engine, its)
        finally:
            ended = web.end()
            engine.dispose()
        assert ended == (0, ""), ended
