"""Pages and files of statistics of every kind: people, measures and durations."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine, text

from tests.support.browser import SCHEMES, WIDTHS, visiting
from tests.support.kinds import EVER, FIGURES, FINEST, IDENTS, ORACLE, Kinds, kinds
from tests.support.place import Place

HTML = "text/html"
#: How long in seconds a change may take to be seen.
PATIENCE = 20
MONTH = {"range": "month", "step": "day"}


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """A page on each kind."""
    with kinds(server, tmp_path_factory.mktemp("kinds")) as its:
        yield its


@pytest.fixture
def place(made: Kinds, tmp_path: Path) -> Place:
    place = Place(tmp_path, made.url)
    place.beside(made.path)
    place.configure({})
    return place


def page(made: Kinds, path: str, query: Any = ()) -> str:
    reply = made.web.get(path, query, Accept=HTML)
    assert reply.status == 200, reply.body
    return html.unescape(reply.body.decode())


@pytest.mark.parametrize(("ident", "figure"), FIGURES)
def test_each_figure_can_be_chosen_and_taken_along(made: Kinds, ident: str, figure: str) -> None:
    """All forms of a view say the same of it, in its own words."""
    query = {**MONTH, "figure": figure, "by": "category"}
    whole = made.web.get(f"/view/{ident}.json", query)
    its: Any = json.loads(whole.body, parse_float=Decimal)
    assert its["figure"] == figure
    rows = list(csv.DictReader(io.StringIO(made.web.get(f"/view/{ident}.csv", query).body.decode())))
    for place, period in enumerate(its["periods"]):
        mine = [row[figure] for row in rows if row["start"] == period["start"]]
        expected = [line["volumes"][place] for line in its["lines"]]
        expected += [] if its["lines"][-1]["rest"] or len(mine) == len(expected) else [period[figure]]
        assert [None if cell == "" else Decimal(cell) for cell in mine] == expected
    ET.fromstring(made.web.get(f"/view/{ident}.svg", query).body)
    text_ = page(made, f"/view/{ident}", query)
    offered = list(ORACLE[ident])
    assert re.findall(r'<option value="(\w+)"', text_) == (offered if len(offered) > 1 else [])
    assert (f'<option value="{figure}" selected>' in text_) == (len(offered) > 1)
    assert f"figure={figure}" in re.search(r'href="(/badge/[^"]*)"', text_)[1]  # type: ignore[index]
    assert made.web.get(f"/badge/{ident}.svg", {"figure": figure}).status == 200


@pytest.mark.parametrize(
    ("path", "present", "absent"),
    [
        ("/view/deeds", ["by=agent", "share=1", "scale=log"], ["· People"]),
        ("/view/deeds?figure=people", ["· People", "by=kind"], ["by=agent", "share=1", "all others"]),
        ("/view/lengths", ["· Median", "scale=log", "hr", "_quantile("], ["share=1", "all others"]),
        ("/view/lengths?figure=without_begin", ["· Ended without a begin", "share=1"], []),
        ("/view/sizes", ["· Sum (bytes)", "share=1"], []),
        ("/view/sizes?figure=least&range=month&by=", ["· Least (bytes)"], ["scale=log", "share=1"]),
        ("/view/sizes?figure=mean&lang=de", ["· Mittelwert (bytes)", "Kennzahl"], ["share=1"]),
        ("/view/arrivals", ["· New", "by=kind", "range=hour"], ["by=agent", "share=1", "all others"]),
        ("/view/arrivals?by=", ["· New", "_arrivals_new("], []),
        ("/view/sightings?lang=de", ["· Neu", "by=agent", "share=1"], []),
        ("/view/deeds?figure=people&by=category&share=", [], []),
    ],
)
def test_what_is_not_possible_is_absent(
    made: Kinds, path: str, present: list[str], absent: list[str]
) -> None:
    if path.endswith("share="):
        assert made.web.get(path).status == 400
        return
    text_ = page(made, path)
    assert [each for each in present if each not in text_] == []
    assert [each for each in absent if each in text_] == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("figure=volume", "figure must be sum or count or mean or least or greatest"),
        ("figure=mean&share=1", "has no shares"),
    ],
)
def test_what_cannot_be_shown_is_told(made: Kinds, query: str, told: str) -> None:
    for form in ("", ".csv", ".svg"):
        assert told in made.web.get(f"/view/sizes{form}?{query}").error
    assert "figure must be" in made.web.get("/badge/sizes.svg?figure=people").error


def test_a_card_has_the_usual_figure_in_words(made: Kinds) -> None:
    cards = dict(
        re.findall(r'<h2><a href="/view/([\w-]+)">.*?</h2>(.*?)</article>', page(made, "/"), re.DOTALL)
    )
    assert '<p class="what">Median</p>' in cards["lengths"]
    assert re.search(r"<data value=\"[\d.]+\">[^<]*(hr|min)", cards["lengths"])
    assert '<p class="what">Sum (bytes)</p>' in cards["sizes"]
    assert '<p class="what">' not in cards["deeds"]
    rows = {
        row["statistic"]: row
        for row in csv.DictReader(io.StringIO(made.web.get("/overview.csv").body.decode()))
    }
    assert [rows[ident]["figure"] for ident in IDENTS] == ["volume", "median", "sum", "new", "new"]
    assert rows["deeds"]["volume"] == rows["deeds"]["value"] != ""
    assert rows["sizes"]["volume"] == "" != rows["sizes"]["value"]


def test_a_list_of_bots_that_changes_makes_answers_anew(made: Kinds) -> None:
    """Whoever is on it does not count, in the past either."""

    def people() -> list[int]:
        answer = made.web.get("/view/deeds.json", {**MONTH, "figure": "people", "by": ""}, X_Follows="1")
        return [period["people"] for period in answer.json["periods"]]

    before = people()
    with made.engine.begin() as connection:
        connection.execute(text("INSERT INTO statscache_bot (pattern) VALUES ('person1*')"))
    try:
        until, after = time.monotonic() + PATIENCE, before
        while after == before and time.monotonic() < until:
            after = people()
        assert sum(after) < sum(before)
    finally:
        with made.engine.begin() as connection:
            connection.execute(text("DELETE FROM statscache_bot WHERE pattern = 'person1*'"))


def test_export_writes_the_same_files(made: Kinds, place: Place) -> None:
    start, stop = "2020-01-01", "2020-02-01"
    for ident, figure in (("deeds", "people"), ("lengths", "p90"), ("sizes", "mean"), ("arrivals", "new")):
        options = ["--since", start, "--until", stop, "--step", "day", "--figure", figure]
        place.answer("export", ident, *options, "-o", "file.json")
        query = {"start": start, "stop": stop, "step": "day", "figure": figure}
        assert (place.directory / "file.json").read_bytes() == made.web.get(f"/view/{ident}.json", query).body
    told = place.run("export", "deeds", "--figure", "people", "--by", "agent", "-o", "x.csv")[2]
    assert "--by must be a key of deeds with --figure people: category, kind" in told
    assert (
        "--figure must be one of volume, people"
        in place.run("export", "deeds", "--figure", "x", "-o", "x.csv")[2]
    )


def test_parquet_has_every_column(made: Kinds, place: Place) -> None:
    for ident in IDENTS:
        place.answer("export", ident, "--windows", "1s" if ident in EVER else "1h", "-o", "rows.parquet")
        table = parquet.read_table(place.directory / "rows.parquet").to_pylist()
        with made.engine.connect() as connection:
            rows = [row._mapping for row in connection.execute(text(f"SELECT * FROM {FINEST[ident]}"))]
        found = sorted(str({name: row[name] for name in rows[0]}) for row in map(plain, table))
        assert found == sorted(str(dict(row)) for row in map(plain, rows))


def plain(row: Any) -> dict[str, Any]:
    """Return a row with its numbers in one form, and its instants in seconds."""
    whole = {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    return {
        name: value.timestamp() if isinstance(value, datetime) else value for name, value in whole.items()
    }


def test_publish_writes_each_figure(made: Kinds, place: Place) -> None:
    place.patience = 180.0  # there are many files
    place.answer("publish", "site")
    for ident, figure in FIGURES:
        usual = figure == next(iter(ORACLE[ident]))
        name = f"{ident}-month" if usual else f"{ident}.{figure}-week"
        text_ = (place.directory / f"site/view/{name}.html").read_text()
        for link in re.findall(r'href="(?:\.\./)?((?:view|badge)/[^"?]+)"', text_):
            assert (place.directory / "site" / link).is_file(), link
        assert "<select" not in text_


@pytest.mark.slow
def test_pages_of_each_kind_hinder_nobody(made: Kinds, browser: Browser, tmp_path: Path) -> None:
    """In every width and scheme; a figure is chosen with the keyboard alone."""
    paths = [
        "/",
        "/view/deeds?figure=people",
        "/view/sizes?figure=least&range=month",
        "/view/lengths?range=month",
        "/view/arrivals",
        "/view/arrivals?by=&lang=de&compare=before",
    ]
    root = f"http://127.0.0.1:{made.web.port}"
    for scheme in SCHEMES:
        for width in WIDTHS:
            with visiting(
                browser, root, viewport={"width": width, "height": 800}, color_scheme=scheme
            ) as visit:
                for number, path in enumerate(paths):
                    shown = visit.go(path)
                    assert Axe().run(shown).violations_count == 0
                    assert shown.evaluate("document.documentElement.scrollWidth") <= width
                    shown.screenshot(path=tmp_path / f"{number}-{width}-{scheme}.png", full_page=True)
    with visiting(browser, root) as visit:
        shown = visit.go("/view/lengths?range=month")
        shown.focus("select[name=figure]")
        shown.keyboard.press("ArrowDown")
        shown.keyboard.press("Tab")
        shown.keyboard.press("Enter")
        shown.wait_for_url("**figure=p90*")
        assert "90 % take at most" in shown.title()
