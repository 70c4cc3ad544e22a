"""The page, as people see it and use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from sqlalchemy import Engine, text

from tests.support.browser import SCHEMES, WIDTHS, Visit
from tests.support.figures import ARCHIVE
from tests.support.web import Server

Visiting = Callable[..., AbstractContextManager[Visit]]
VIEW = "/view/volume-by-category?range=month"
PAGES = {
    "overview": "/",
    "view": VIEW,
    "compared": "/view/volume?range=week&compare=before&scale=log",
    "shares": f"{VIEW}&share=1&lang=de",
    "board": "/board/release-engineering-event-logs",
    "trouble": "/view/volume?range=decade",
}


def open_all(page: Page) -> None:
    """Open what is folded up."""
    page.evaluate("document.querySelectorAll('details').forEach((its) => { its.open = true; })")


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_hinders_anybody(width: int, scheme: str, visit: Visiting, site: Server) -> None:
    """Axe finds no violation, and no page is wider than its screen."""
    with visit(viewport={"width": width, "height": 800}, color_scheme=scheme) as its:
        for name, path in PAGES.items():
            if name == "trouble":
                continue  # the browser notes that it is an error
            page = its.go(path)
            open_all(page)
            found = Axe().run(page)
            told = [
                f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found.response["violations"]
            ]
            assert told == [], (name, width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_the_page_for_trouble_hinders_nobody(visit: Visiting) -> None:
    with visit() as its:
        page = its.go(PAGES["trouble"])
        assert Axe().run(page).response["violations"] == []
        assert "range must be" in page.inner_text("main")
        its.troubles.clear()  # the browser notes the error that it is


def test_everything_is_there_without_a_script(visit: Visiting) -> None:
    with visit(java_script_enabled=False) as its:
        page = its.go("/")
        its.follow("text=Messages of each category")
        its.follow("text=four weeks")
        assert "range=month" in page.url
        assert page.locator("#chart path.line0").count() > 0
        its.follow("text=shares")
        its.follow("#live a >> text=buildsys")
        assert "category=buildsys" in page.url
        page.fill("input[name=tz]", "Asia/Kathmandu")
        its.follow("text=Apply")
        assert "Asia/Kathmandu" in page.inner_text("figcaption")
        page.click("summary >> text=Table of the figures")
        assert page.locator(".figures tbody tr").count() == 29
        its.follow("text=Deutsch")
        assert page.inner_text("summary >> nth=1") == "Tabelle der Zahlen"


def test_the_keyboard_is_enough(visit: Visiting) -> None:
    """Every function is reached and used with keys alone."""
    with visit() as its:
        page = its.go("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        tab_to(page, "a[href^='/view/volume-by-category']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/view/volume-by-category*")
        tab_to(page, "#chart")
        page.keyboard.press("End")
        assert "not over yet" in page.inner_text("#point")
        last = page.inner_text("#point")
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#point") != last
        page.keyboard.press("Home")
        first = page.inner_text("#point")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.locator("#chart .chosen").count() == 1
        page.keyboard.press("Escape")
        assert page.locator("#chart .chosen").count() == 0
        page.keyboard.press("Home")
        assert page.inner_text("#point") == first
        for _ in range(30):
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_url("**start=*")
        assert page.locator("#data").count() == 1
        for name in ("step", "top", "compare", "show", "scale", "by"):
            tab_to(page, f"[aria-labelledby=menu-{name}] a:not([aria-current])")
            with page.expect_navigation():
                page.keyboard.press("Enter")
        for label in ("Where this comes from", "Table of the figures"):
            tab_to(page, f"summary:has-text('{label}')")
            page.keyboard.press("Enter")
        assert page.locator("#sql").is_visible()
        assert page.locator(".figures table").is_visible()
        page.go_back()
        page.go_forward()
        tab_to(page, ".home")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{its.root}/")


def tab_to(page: Page, selector: str) -> None:
    """Press the Tab key until it reaches what the selector names."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", _plain(selector)) and (
            ":has-text" not in selector
            or _text_of(selector) in page.evaluate("document.activeElement.innerText")
        ):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def _plain(selector: str) -> str:
    return re.sub(r":has-text\('.*'\)", "", selector)


def _text_of(selector: str) -> str:
    match = re.search(r":has-text\('(.*)'\)", selector)
    return match[1] if match else ""


def test_dragging_over_the_chart_zooms_into_it(visit: Visiting) -> None:
    with visit() as its:
        page = its.go(VIEW)
        box: Any = page.locator("#chart .drawing").bounding_box()
        y = box["y"] + 100
        page.mouse.move(box["x"] + box["width"] * 0.30, y)
        assert "buildsys: " in page.inner_text("#point")
        link = page.locator("#point a").get_attribute("href") or ""
        assert re.fullmatch(rf"{re.escape(ARCHIVE)}/raw\?order=asc&start=\d+&end=\d+", link)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.45, y, steps=4)
        assert page.locator("#chart .chosen").count() == 1
        page.mouse.up()
        page.wait_for_url("**start=*")
        assert "range=" not in page.url
        assert len(page.evaluate("JSON.parse(document.getElementById('data').textContent).periods")) > 2
        page.go_back()
        assert page.url.endswith(VIEW)


def test_a_gap_is_hatched_and_says_why(visit: Visiting) -> None:
    with visit() as its:
        page = its.go(VIEW)
        titles = page.evaluate(
            "[...document.querySelectorAll('#chart rect title')].map((each) => each.textContent)"
        )
        assert any("41 messages lost: the disk of the spool was full" in title for title in titles)
        assert page.locator("#chart path[stroke-dasharray]").count() > 0
        assert page.locator("#chart circle.hollow").count() > 0


def test_what_stands_in_keys_is_not_run(visit: Visiting, filled: tuple[Engine, Server]) -> None:
    insert = "INSERT INTO data_volume_by_user_1h VALUES (date_trunc('hour', now()), :key, 5)"
    keys = [
        "<img src=x onerror=document.title='run'>",
        "</script><script>document.title='run'</script>",
        "\u202egnp",
    ]
    with filled[0].begin() as connection:
        for key in keys:
            connection.execute(text(insert), {"key": key})
    with visit() as its:
        page = its.go("/view/volume-by-user?range=day&step=hour")
        assert "run" not in page.title()
        assert "<img src=x" in page.inner_text(".ranking")


@pytest.mark.slow
def test_pictures_for_people_to_look_at(visit: Visiting, tmp_path: Path) -> None:
    """They are made in every width and scheme; that one is not blank is all that a test can say."""
    for scheme in SCHEMES:
        for width in WIDTHS:
            with visit(viewport={"width": width, "height": 800}, color_scheme=scheme) as its:
                for name in ("overview", "view", "board"):
                    its.go(PAGES[name]).screenshot(
                        path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True
                    )
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
