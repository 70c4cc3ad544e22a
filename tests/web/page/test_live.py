"""An open page follows the bus."""

from __future__ import annotations

import json
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
    now = datetime.now(UTC)
    insert = "INSERT INTO data_volume_by_category_1m VALUES (date_trunc('minute', now()), 'live', :volume)"
    payload = json.dumps({"table": "data_volume_by_category_1m", "from": None, "to": None})
    with engine.begin() as connection:
        upsert = f"{insert} ON CONFLICT (timestamp, category) DO UPDATE SET volume = excluded.volume"
        connection.execute(text(upsert), {"volume": volume})
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
