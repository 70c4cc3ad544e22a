"""The HTTP API for those who can send a URL and no header: spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.web import LOGS, VOLUME, Reply, Server

MANY = "INSERT INTO data_volume_5s SELECT to_timestamp(n * 5), 1 FROM generate_series(1, 10500) AS n"


def table(reply: Reply) -> list[list[str]]:
    """Return the lines of a CSV answer, without the titles."""
    assert (reply.status, reply.headers["Content-Type"].split(";")[0]) == (200, "text/csv"), reply.body
    return list(csv.reader(io.StringIO(reply.body.decode())))[1:]


@pytest.mark.parametrize("ident", [VOLUME, LOGS, "/api/volume-by-category-1h"])
def test_the_path_or_the_query_says_the_form(ident: str, web: Server) -> None:
    """Whatever Accept says; with a callback, JSON is JSON-P."""
    for accept in ("application/json", "text/html", "*/*"):
        by_path = web.get(f"{ident}.csv", Accept=accept)
        assert by_path.body == web.get(ident, {"format": "csv"}, Accept=accept).body
        assert by_path.body == web.get(ident, Accept="text/csv").body
        assert web.get(f"{ident}.json", Accept="text/csv").json == web.get(ident, {"format": "json"}).json
    assert web.get(ident, {"format": "json", "callback": "f"}, Accept="text/csv").body.startswith(b"f(")
    assert table(web.get("/api/", {"format": "csv"})) == [[each] for each in web.get("/api/").json]


def test_what_is_no_form_is_told(web: Server) -> None:
    """An ending that is none, an ending of what is no plugin, and two that differ."""
    assert "there are .csv and .json" in web.get(f"{VOLUME}.xml").error
    assert web.get("/api/nothing.csv").status == 404
    assert "leave out one" in web.get(f"{VOLUME}.csv", {"format": "json"}).error
    assert "format must be json or csv" in web.get(VOLUME, {"format": "xml"}).error


def test_csv_is_whole(web: Server) -> None:
    """All rows come at once, or as many as `limit` says; pages only where they are asked for."""
    assert len(table(web.get(f"{VOLUME}.csv"))) == 150
    assert len(table(web.get(f"{VOLUME}.csv", {"limit": 5000}))) == 150
    assert len(table(web.get(f"{VOLUME}.csv", {"limit": 120}))) == 120
    assert len(table(web.get(f"{VOLUME}.csv", {"top": 130}))) == 130
    paged = web.get(f"{VOLUME}.csv", {"rows_per_page": 50})
    assert len(table(paged)) == 50
    assert len(table(web.get(paged.links["next"]))) == 50
    assert len(table(web.get(f"{VOLUME}.csv", {"page": 2}))) == 50


def test_csv_that_cannot_be_whole_is_refused(made: tuple[Engine, Server]) -> None:
    """More than 10,000 rows that are wanted are not cut off without a word."""
    engine, web = made
    with engine.begin() as connection:
        connection.execute(text(MANY))
    assert len(table(web.get("/api/volume-5s.csv", {"limit": 10_000}))) == 10_000
    reply = web.get("/api/volume-5s.csv", {"limit": 10_400})
    assert (reply.status, "rows_per_page" in reply.error) == (400, True)
    whole = web.get("/api/volume-5s.csv")
    assert len(table(whole)) == 10_000
    assert len(table(web.get(whole.links["next"]))) == 500 + 30


@pytest.mark.parametrize(
    ("query", "of"),
    [
        ({}, "volume-1s"),
        ({"group": "timestamp"}, "volume-by-category-1d"),
        ({"category": ["bodhi", "git"]}, "volume-by-category-1m"),
        ({"limit": 2}, "volume-1m"),
    ],
)
def test_what_is_dated_ahead_comes_last(query: dict[str, Any], of: str, made: tuple[Engine, Server]) -> None:
    """Where the newest come first; it heads them only if that time is asked for."""
    engine, web = made
    name = f"data_{of.replace('-', '_')}"
    column = ", 'git'" if "category" in of else ""
    ahead = 4_070_908_800
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {name} VALUES (to_timestamp({ahead}){column}, 7)"))
    found = [row for page in web.pages(f"/api/{of}", query) for row in page]
    assert found[0]["timestamp"] < ahead
    if "limit" not in query:
        assert [row["timestamp"] for row in found].index(ahead) == len(found) - 1
        assert [
            row for page in web.pages(f"/api/{of}", {**query, "rows_per_page": 1}) for row in page
        ] == found
    for asked in ({"stop": "2199-01-01"}, {"start": "2098-01-01"}):
        assert web.rows(f"/api/{of}", {**query, **asked})[0]["timestamp"] == ahead
    oldest = web.rows(f"/api/{of}", {**query, "order": "asc"})
    assert oldest[0]["timestamp"] < ahead
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {name} WHERE timestamp > '2098-01-01'"))
