"""The parameters of the API: a bad one is named, with what was expected."""

from __future__ import annotations

import re

import pytest

from tests.support.web import LOGS, Server

BAD = {
    "start": [
        "",
        "yesterday",
        "nan",
        "inf",
        "1e999",
        "-1e12",
        "2024-13-01",
        "2024-02-30",
        "24:00",
        "2024-05-31T12:00 02:00",
        "2024-0531T12:00",
        "202405-31T12:00",
    ],
    "stop": ["x", "2024-05-31T25:00", "2024-05-31T12:00:00+24:00", "253402300800", "٢٠٢٤-01-01"],
    "order": ["", "up", "DESC"],
    "limit": ["0", "-1", "1.5", "x", "", "1e3", "99999999999999999999", "05", " 5", "\u0665"],
    "rows_per_page": ["0", "101", "x"],
    "page": ["0", "101", "x", "-1", "1.0"],
    "cursor": ["", "x", "0" * 20_000],
    "group": ["", "volume", "category_", "timestamp,category"],
    "top": ["0", "10001", "x"],
    "category": ["\0", "x" * 2601],
    "callback": ["", "a b", "a(", "alert(1)//", "1a", "a..b", "a.", "x" * 101, "a\n", "é"],
    "_": ["x" * 101],
    "nothing": [""],
    "Start": ["1"],
    "": ["1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]], ids=ascii)
def test_a_bad_parameter_is_named(name: str, value: str, web: Server) -> None:
    """It gets 400, and one sentence that names it and says what was expected."""
    reply = web.get("/api/volume-by-category-1s", {name: value})
    assert reply.status == 400
    assert re.search(rf"(^|'){re.escape(name)}( |')", reply.error)
    assert len(reply.error) < 500


@pytest.mark.parametrize("name", ["start", "limit", "page", "order", "callback", "group"])
def test_a_parameter_that_is_there_twice_is_named(name: str, web: Server) -> None:
    """Which of the two is meant, nobody can know."""
    value = {"start": "1", "order": "asc", "callback": "f", "group": "category"}.get(name, "1")
    reply = web.get("/api/volume-by-category-1s", [(name, value), (name, value)])
    assert (reply.status, reply.error) == (400, f"{name} may be given only once")


@pytest.mark.parametrize(
    "query", ["category=%ff", "limit=%ff", "&".join("category=a" for _ in range(21)), "a=1&" * 501]
)
def test_a_bad_query_is_told(query: str, web: Server) -> None:
    """What is no UTF-8, or too much, gets 400 as well."""
    reply = web.get(f"/api/volume-by-category-1s?{query}")
    assert reply.status == 400
    assert reply.error


@pytest.mark.parametrize(
    "path", [f"{LOGS}?group=category", f"{LOGS}?top=3", "/api/volume-1s?category=a", "/api/?limit=1"]
)
def test_what_a_plugin_has_not_got_is_unknown_there(path: str, web: Server) -> None:
    """Logs have no sums, and a table without keys has no filters."""
    reply = web.get(path)
    assert reply.status == 400
    assert "there is no parameter" in reply.error
