"""An open page follows the bus."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from tests.support.browser import Visit
from tests.support.hub import wait_for
from tests.support.place import Place
from tests.support.web import Server

Visiting = Callable[..., AbstractContextManager[Visit]]


def count(engine: Engine, volume: int) -> None:
    """Count messages in this minute, as a flush does."""
    insert = "INSERT INTO data_volume_by_category_1m VALUES (date_trunc('minute', now()), 'live', :volume)"
    upsert = f"{insert} ON CONFLICT (timestamp, category) DO UPDATE SET volume = excluded.volume"
    write(engine, "data_volume_by_category_1m", upsert, volume=volume)


def write(engine: Engine, table: str, statement: str, **given: object) -> None:
    """Change a table as a flush does."""
    now = datetime.now(UTC)
    payload = json.dumps({"table": table, "from": None, "to": None})
    with engine.begin() as connection:
        connection.execute(text(statement), given)
        connection.execute(text("UPDATE statscache_coverage SET updated = :now"), {"now": now})
        connection.execute(text("SELECT pg_notify('statscache', :payload)"), {"payload": payload})


def test_an_open_chart_follows_the_bus(visit: Visiting, filled: tuple[Engine, Server]) -> None:
    """Within some seconds, without losing what is open or where the keyboard is; later changes, too."""
    with visit() as its:
        page = its.go("/view/volume-by-category?range=hour&step=minute")
        page.evaluate("document.querySelector('details.source').open = true")
        page.focus("#chart")
        page.keyboard.press("End")
        for volume in (777_001, 777_002, 777_003):
            time.sleep(1)
            count(filled[0], volume)
            wait_for("the new figure", lambda volume=volume: f"{volume:,}" in page.inner_text(".ranking"))
        assert page.evaluate("document.querySelector('details.source').open")
        assert page.evaluate("document.activeElement.id") == "chart"
        assert page.inner_text("#point") != ""


def test_what_is_new_follows_the_bus(visit: Visiting, filled: tuple[Engine, Server]) -> None:
    """Also where a message of the past says that somebody was there before."""
    insert = (
        "INSERT INTO data_newcomer VALUES ('ada', :category, now() - make_interval(days => :days), now())"
    )

    def table() -> list[str]:
        rows = page.locator("table").last.locator("tr").all_inner_texts()
        return [row for row in rows if re.search(r"\b1\b", row.split("\t", 1)[1])]

    with visit() as its:
        page = its.go("/view/newcomers?range=week&step=day&by=")
        page.evaluate("document.querySelectorAll('details').forEach(its => { its.open = true })")
        found = []
        for days, category in ((0, "git"), (3, "bodhi")):
            before = page.inner_text("#live")
            write(filled[0], "data_newcomer", insert, days=days, category=category)
            wait_for("the new figure", lambda before=before: page.inner_text("#live") != before)
            found.append(table())
    assert len(found[0]) == len(found[1]) == 1
    assert found[0] != found[1]


def test_a_note_shows_on_open_pages(visit: Visiting, filled: tuple[Engine, Server], tmp_path: Path) -> None:
    """Within two seconds of when somebody has written it, and it goes as soon as it is removed."""
    place = Place(tmp_path, filled[0].url.render_as_string(hide_password=False))
    with visit() as its:
        page = its.go("/view/volume?range=day")
        wait_for("the page to follow", lambda: page.title() and any(".live" in url for url in its.requests))
        place.answer("note", "add", "41 is out", "--kind", "release")
        written = time.monotonic()
        wait_for("the note", lambda: "41 is out" in page.inner_text("#live"), 10)
        assert time.monotonic() - written < 2
        number = place.answer("note", "list").splitlines()[-1].split()[0]
        place.answer("note", "remove", number)
        removed = time.monotonic()
        wait_for("no note", lambda: "41 is out" not in page.inner_text("#live"), 10)
        assert time.monotonic() - removed < 2


def test_a_past_range_follows_nothing(visit: Visiting) -> None:
    stop = datetime.now(UTC) - timedelta(days=3)
    with visit() as its:
        its.go(f"/view/volume?start={stop - timedelta(days=1):%Y-%m-%d}&stop={stop:%Y-%m-%d}")
        assert not any(".live" in url for url in its.requests)
