"""The API's figures of people and durations, against a program that knows what has happened."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from statscache.query.periods import Step, period_of
from tests.support.kinds import EVER, ORACLE, Event, Kinds, agrees, counted, kinds

DEEDS, LENGTHS, SIZES = "/api/deeds-1h", "/api/lengths-1h", "/api/sizes-1h"
PATHS = {
    "deeds": DEEDS,
    "lengths": LENGTHS,
    "sizes": SIZES,
    "arrivals": "/api/arrivals",
    "sightings": "/api/sightings",
}
#: Those of first times, which an answer always has.
NEW = [("arrivals", "new"), ("sightings", "new")]
#: How long in seconds a change may take to be seen.
PATIENCE = 20
#: Those that an answer has only if it is asked for one of them.
OTHERS = [
    ("deeds", "people"),
    ("lengths", "median"),
    ("lengths", "p90"),
    ("lengths", "mean"),
    ("sizes", "mean"),
]


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """An API on each kind."""
    with kinds(server, tmp_path_factory.mktemp("api")) as its:
        yield its


def happened(made: Kinds, ident: str, zone: str, by_key: bool) -> dict[Any, list[Event]]:
    found: dict[Any, list[Event]] = defaultdict(list)
    for event in counted(ident, made.events[ident], 2 if by_key else None):
        day = period_of(datetime.fromtimestamp(event[0], UTC), Step.DAY, ZoneInfo(zone)).start
        found[day, event[2] if by_key else None].append(event)
    return found


def check(ident: str, row: dict[str, Any], rows: list[Event], asked: str) -> None:
    """Check all figures of a row; those that nobody asks for are not there."""
    oracle = ORACLE[ident]
    others = {figure for its, figure in OTHERS if its == ident}
    for name in [name for name in oracle if name not in others] + [asked]:
        assert agrees(name, row[name], oracle[name](rows)), (name, row)
    assert others & set(row) == {asked} & others
    if ident == "lengths":
        assert row["seconds"] == sum(event[4] or 0 for event in rows)


@pytest.mark.parametrize(
    ("ident", "figure"), [*OTHERS, ("lengths", "without_begin"), ("deeds", "volume"), *NEW]
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("by_key", [True, False])
def test_periods_have_the_figures_of_what_happened(
    made: Kinds, ident: str, figure: str, zone: str, by_key: bool
) -> None:
    start = made.now - timedelta(days=14)
    query = {
        "step": "day",
        "tz": zone,
        **({} if ident in EVER else {"figure": figure}),
        "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "complete": "1",
    }
    rows = [
        row
        for page in made.web.pages(PATHS[ident], query | ({"group": "category"} if by_key else {}))
        for row in page
    ]
    its = happened(made, ident, zone, by_key)
    for row in rows:
        check(ident, row, its[row["timestamp"], row.get("category")], figure)
    shown = {(row["timestamp"], row.get("category")) for row in rows}
    first = min(row["timestamp"] for row in rows)
    assert {key for key in its if key[0] >= first} <= shown
    assert {row["complete"] for row in rows} == {True, False}
    assert len(shown) == len(rows) >= (15 if not by_key else 40)


@pytest.mark.parametrize(("ident", "figure"), [*OTHERS, *NEW])
def test_the_greatest_come_first(made: Kinds, ident: str, figure: str) -> None:
    """Over pages, too; what has none is left out."""
    chosen = {} if ident in EVER else {"figure": figure}
    rows = made.web.rows(PATHS[ident], {"group": "category", **chosen})
    its = counted(ident, made.events[ident], 2)
    for row in rows:
        check(ident, row, [event for event in its if event[2] == row["category"]], figure)
    assert [row[figure] for row in rows] == sorted((row[figure] for row in rows), reverse=True)
    assert len(rows) == 4
    query = {"step": "day", "top": 20, **chosen, "rows_per_page": 3}
    pages = made.web.pages(PATHS[ident], query)
    values = [row[figure] for page in pages for row in page]
    assert len(pages) == 7
    assert len(values) == 20
    assert None not in values
    assert values == sorted(values, reverse=True)
    windows = [
        row
        for page in made.web.pages(PATHS[ident], {"top": 30, **chosen, "rows_per_page": 7})
        for row in page
    ]
    assert [row[figure] for row in windows] == sorted((row[figure] for row in windows), reverse=True)
    assert len({row["timestamp"] for row in windows}) == 30


def test_without_new_parameters_answers_are_rows_of_the_table(made: Kinds) -> None:
    assert list(made.web.rows(LENGTHS, {"limit": 1})[0]) == [
        "timestamp",
        "category",
        "kind",
        "bucket",
        "volume",
        "seconds",
    ]
    assert list(made.web.rows(DEEDS, {"limit": 1})[0]) == ["timestamp", "agent", "category", "kind", "volume"]
    assert list(made.web.rows(DEEDS, {"group": "category"})[0]) == ["category", "volume"]


def test_first_times_are_rows_newest_first(made: Kinds) -> None:
    """Each is complete if all time up to it is; and a range is of first times."""
    rows = made.web.rows("/api/arrivals", {"complete": "1", "limit": 100})
    assert list(rows[0])[:5] == ["agent", "category", "kind", "first", "last"]
    firsts = [row["first"] for row in rows]
    assert firsts == sorted(firsts, reverse=True)
    gap = (made.now.replace(hour=0, minute=0, second=0) - timedelta(days=3)).timestamp()
    assert [row["complete"] for row in rows] == [first < gap for first in firsts]
    query = {"start": firsts[40], "stop": firsts[20], "order": "asc"}
    its = made.web.rows("/api/arrivals", query)
    assert [row["first"] for row in its] == [
        first for first in reversed(firsts) if firsts[40] <= first < firsts[20]
    ]
    sums = made.web.rows("/api/arrivals", {"group": "category", "complete": "1", "stop": gap})
    assert [row["complete"] for row in sums] == [True] * 4


@pytest.mark.parametrize(
    ("path", "query", "told"),
    [
        ("/api/arrivals", "group=agent", "group must be timestamp or category or kind"),
        (DEEDS, "figure=people", "figure=people is one of several rows: give group, top or step, too"),
        (DEEDS, "figure=people&group=agent", "figure=people is not told apart by agent: choose another"),
        (DEEDS, "figure=median&step=day", "figure must be volume or people"),
        (
            LENGTHS,
            "figure=people&step=day",
            "figure must be volume or seconds or without_begin or median or p90 or mean",
        ),
    ],
)
def test_what_is_no_figure_is_told(made: Kinds, path: str, query: str, told: str) -> None:
    assert told in made.web.get(f"{path}?{query}").error


def test_people_depend_on_the_list_of_bots(made: Kinds) -> None:
    """The tag of an answer changes with it; that of one without people does not."""
    paths = [f"{DEEDS}?group=category", f"{DEEDS}?group=category&figure=people"]
    before = [made.web.get(path) for path in paths]
    assert before[1].headers["Last-Modified"] is None
    with made.engine.begin() as connection:
        connection.execute(text("INSERT INTO statscache_bot (pattern) VALUES ('person2*')"))
    try:
        until, after = time.monotonic() + PATIENCE, before
        while after[1].headers["ETag"] == before[1].headers["ETag"] and time.monotonic() < until:
            after = [made.web.get(path) for path in paths]
        assert after[0].headers["ETag"] == before[0].headers["ETag"]
        assert sum(row["people"] for row in after[1].json) < sum(row["people"] for row in before[1].json)
    finally:
        with made.engine.begin() as connection:
            connection.execute(text("DELETE FROM statscache_bot WHERE pattern = 'person2*'"))
