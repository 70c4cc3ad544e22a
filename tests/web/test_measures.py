"""What was measured, over HTTP: rows, and what they come to by key, period and zone, with all digits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from tests.support.hourly import AUTUMN, SPRING, midnights
from tests.support.measuring_web import LARGE, PATH, Measured, by, measured, merged

FIGURES = ("count", "sum", "least", "greatest")
WHOLE = {"start": SPRING[0], "stop": AUTUMN[1]}
ORDERS = [(figure, order) for figure in FIGURES for order in ("desc", "asc")]


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """An API on what a plugin has measured every hour."""
    with measured(server, tmp_path_factory.mktemp("measures")) as made:
        yield made


def exact(made: Measured, path: str = PATH, **query: Any) -> list[dict[str, Any]]:
    """Return the rows of all pages, each number in JSON with all its digits."""
    found, reply = [], made.web.get(path, query)
    while True:
        assert reply.status == 200, reply.body
        for row in json.loads(reply.body, parse_float=Fraction, parse_int=Fraction):
            found.append({name: str(its) if name == "category" else its for name, its in row.items()})
        if "next" not in reply.links:
            return found
        reply = made.web.get(reply.links["next"])


def figures(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIGURES}


def day(zone: str) -> Any:
    """Return what gives the day that clocks in a zone show at a row."""
    return lambda row: datetime.fromtimestamp(row[0], ZoneInfo(zone)).date()


def test_rows_are_exact(made: Measured) -> None:
    """The newest first, and under each name what the table has."""
    found = [(int(row["timestamp"]), row["category"], figures(row)) for row in exact(made)]
    expected = [(row[0], row[1], merged([row])) for row in sorted(made.rows, reverse=True)]
    assert found == expected


def test_numbers_have_all_their_digits(made: Measured) -> None:
    """In JSON as in CSV, without zeros that say nothing."""
    second = next(row[0] for row in made.rows if row[3] == LARGE)
    query = {"start": second, "stop": second + 1, "category": "bodhi"}
    assert f'"sum":{LARGE},"least":-0.000000001,"greatest":{LARGE}' in made.web.get(PATH, query).body.decode()
    [row] = csv.DictReader(io.StringIO(made.web.get(PATH, {**query, "format": "csv"}).body.decode()))
    assert [row[name] for name in FIGURES] == ["1", LARGE, "-0.000000001", LARGE]
    summed = made.web.get(PATH, {"group": "category", "format": "csv"}).body.decode()
    for row in csv.DictReader(io.StringIO(summed)):
        assert all("." not in row[name] or row[name][-1] not in "0." for name in FIGURES)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_each_day_has_what_its_rows_come_to(zone: str, made: Measured) -> None:
    """Sums of counts and sums, the least of the least, the greatest of the greatest; of no rows, nothing but zeros."""
    for start, stop in (SPRING, AUTUMN):
        query = {"step": "day", "tz": zone, "start": start, "stop": stop + 3 * 86_400}
        found = {int(row["timestamp"]): figures(row) for row in exact(made, **query)}
        expected = by(made.rows, day(zone))
        for second, row in found.items():
            none = {"count": 0, "sum": 0, "least": None, "greatest": None}
            assert row == expected.get(datetime.fromtimestamp(second, ZoneInfo(zone)).date(), none)
        assert len(found) in (6, 7)


def test_each_day_and_key_has_what_its_rows_come_to(made: Measured) -> None:
    """Only those that there are."""
    query = {"step": "day", "tz": "Europe/Berlin", "group": "category", "order": "asc", **WHOLE}
    found = {(int(row["timestamp"]), row["category"]): figures(row) for row in exact(made, **query)}
    expected = by(made.rows, lambda row: (day("Europe/Berlin")(row), row[1]))
    days = {date: midnights(date, date, "Europe/Berlin")[0] for date, _ in expected}
    assert found == {(days[date], key): its for (date, key), its in expected.items()}


@pytest.mark.parametrize(("figure", "order"), ORDERS)
@pytest.mark.parametrize("group", ["category", "timestamp"])
def test_the_greatest_come_first_by_the_figure_asked_for(
    group: str, figure: str, order: str, made: Measured
) -> None:
    """On all pages, also where figures have more digits than a double."""
    sums = by(made.rows, lambda row: row[1] if group == "category" else row[0])
    query = {"group": group, "top": 1000, "figure": figure, "order": order, "rows_per_page": 7}
    found = exact(made, **query)
    assert {row[group]: figures(row) for row in found} == sums
    sizes = [row[figure] for row in found]
    assert sizes == sorted(sizes, reverse=order == "desc")


@pytest.mark.parametrize(("figure", "order"), ORDERS)
@pytest.mark.parametrize("key", [{}, {"group": "category"}])
def test_the_greatest_periods_come_first(
    key: dict[str, str], figure: str, order: str, made: Measured
) -> None:
    """A period without a row is among those with a small sum; it has no least and no greatest value."""
    query = {"step": "day", "top": 200, "figure": figure, "order": order, "rows_per_page": 2, **key}
    start, stop = SPRING
    found = exact(made, start=start, stop=stop + 86_400, **query)
    groups = by(
        (row for row in made.rows if row[0] < stop),
        lambda row: (day("UTC")(row), row[1]) if key else day("UTC")(row),
    )
    empty = 0 if key or figure in ("least", "greatest") else 1
    assert len(found) == len(groups) + empty
    sizes = [row[figure] for row in found]
    assert sizes == sorted(sizes, reverse=order == "desc")


def test_the_sum_is_what_is_great_unless_another_figure_is_named(made: Measured) -> None:
    """`top` alone asks for the greatest sums."""
    assert exact(made, group="category", top=2) == exact(made, group="category", top=2, figure="sum")
    assert (
        "figure must be count or sum or least or greatest or mean"
        in made.web.get(PATH, {"figure": "median"}).error
    )


def test_each_figure_says_whether_it_is_complete(made: Measured) -> None:
    """As counts do."""
    found = exact(made, step="day", complete=1, **WHOLE)
    assert {row["complete"] for row in found} == {False}


def test_the_description_has_every_figure(made: Measured) -> None:
    """What answers have is what it says, also of a period without a row, and of one that is not kept."""
    described = made.web.get("/api/openapi.json").json["paths"][PATH]["get"]
    names = [parameter["name"] for parameter in described["parameters"]]
    assert {"figure", "group", "top", "step", "tz", "complete"} <= set(names)
    rows = described["responses"]["200"]["content"]["application/json"]["schema"]["items"]["anyOf"]
    shapes = {tuple(row["properties"]): row["properties"] for row in rows}
    assert ("timestamp", "category", *FIGURES) in shapes
    assert shapes["category", *FIGURES]["least"] == {
        "type": "number",
        "description": "the least value, in bytes",
    }
    of_periods = [row["properties"] for row in rows if tuple(row["properties"]) == ("timestamp", *FIGURES)]
    assert {json.dumps(row["least"]["type"]) for row in of_periods} == {'"number"', '["number", "null"]'}
    assert {json.dumps(row["count"]["type"]) for row in of_periods} == {'"integer"', '["integer", "null"]'}


def test_a_cursor_that_somebody_made_up_is_some_place(made: Measured) -> None:
    """Whatever text stands where a number is."""
    reply = made.web.get(PATH, {"group": "category", "top": 100, "rows_per_page": 1})
    cursor = reply.links["next"].rpartition("cursor=")[2]
    for end in ("AAAA", "NaNA", "////".replace("/", "_")):
        query = {"group": "category", "top": 100, "rows_per_page": 1, "cursor": cursor[:-8] + end * 2}
        assert made.web.get(PATH, query).status == 200


def test_a_finer_table_is_named(made: Measured) -> None:
    """Where days of UTC do not make up those of a zone."""
    query = {"step": "day", "tz": "Europe/Berlin", "start": SPRING[0], "stop": SPRING[1]}
    assert "ask /api/sizes-1h" in made.web.get("/api/sizes-1d", query).error
