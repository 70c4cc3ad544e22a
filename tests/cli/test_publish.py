"""`statscache publish`: the page as files."""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from sqlalchemy import Engine

from tests.support.browser import launched, visiting
from tests.support.figures import figures
from tests.support.place import ALL_ON, Place


@pytest.fixture(scope="module")
def place(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place in which the page has been published to the directory `site`."""
    with figures(server, tmp_path_factory.mktemp("filled")) as (engine, _):
        place = Place(tmp_path_factory.mktemp("place"), engine.url.render_as_string(hide_password=False))
        place.configure({"statscache.plugins.enabled": ALL_ON})
        place.patience = 240.0
        told = place.answer("publish", "site")
        assert re.fullmatch(r"\d+ files in site: open site/index.html\n", told)
        yield place


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_link_leads_to_a_file(place: Place) -> None:
    """And nothing asks a server."""
    site = place.directory / "site"
    assert len(pages(site)) > 100
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src)="([^"#]*)[^"]*"', text):
            if link and not link.startswith(("http://", "https://")):
                assert (page.parent / link.partition("?")[0]).resolve().is_file(), (page, link)
        assert "<form" not in text
        assert "data-live" not in text
    assert not list(site.rglob("*.part"))


def test_there_are_all_forms_in_every_language(place: Place) -> None:
    site = place.directory / "site"
    for folder in (site, site / "de"):
        for ending in ("html", "csv", "json", "svg"):
            assert (folder / "view" / f"volume-by-category-month.{ending}").stat().st_size > 500
        ET.parse(folder / "view" / "volume-by-category-month.svg")
        assert json.loads((folder / "overview.json").read_bytes())["statistics"]
        assert json.loads((folder / "board" / "release-engineering-event-logs.json").read_bytes())["board"]
        assert (folder / "overview.csv").read_text().startswith("statistic,summary,")
        assert (folder / "board" / "release-engineering-event-logs.csv").is_file()
        ET.parse(folder / "badge" / "volume.svg")
    assert "Was gezählt wird" in (site / "de" / "index.html").read_text(encoding="utf-8")


def test_the_files_work_on_any_server(place: Place) -> None:
    """In a browser, without a complaint; axe finds no violation."""
    directory = str(place.directory / "site")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = launched(playwright)
            with visiting(browser, f"http://127.0.0.1:{served.server_port}") as visit:
                page = visit.go("/index.html")
                assert Axe().run(page).response["violations"] == []
                visit.follow("text=Messages of each category")
                visit.follow("text=four weeks")
                assert page.url.endswith("view/volume-by-category-month.html")
                page.focus("#chart")
                page.keyboard.press("End")
                page.keyboard.press("Enter")
                assert page.inner_text("#point") != ""
                page.evaluate("document.querySelectorAll('details').forEach((its) => { its.open = true; })")
                assert Axe().run(page).response["violations"] == []
                visit.follow("text=Deutsch")
                assert page.url.endswith("de/view/volume-by-category-month.html")
            browser.close()
        served.shutdown()


def test_it_can_be_published_again(place: Place) -> None:
    before = {path.relative_to(place.directory) for path in pages(place.directory / "site")}
    place.answer("publish", "site")
    assert {path.relative_to(place.directory) for path in pages(place.directory / "site")} == before


def test_what_cannot_be_published_is_told(place: Place, tmp_path: Path) -> None:
    (place.directory / "file").write_text("")
    code, output, errors = place.run("publish", "file")
    assert (code, output) == (2, "")
    assert "file" in errors
    assert "cannot be written" in errors
    assert len(errors.splitlines()) == 1


def test_a_database_on_which_no_daemon_has_run_is_told(database: str, tmp_path: Path) -> None:
    place = Place(tmp_path, database)
    code, output, errors = place.run("publish", "site")
    assert (code, output, len(errors.splitlines())) == (2, "", 1), errors
    assert "does not exist yet" in errors
