"""What tells clients and caches how new an answer is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon
from tests.support.place import Place, lines
from tests.support.web import LOGS, VOLUME, Server, body


def test_what_has_not_changed_is_not_sent_again(web: Server) -> None:
    """If-None-Match, in every spelling, gets 304 without a body; another page, form or question does not."""
    tag = web.get(VOLUME).headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        reply = web.get(VOLUME, If_None_Match=known)
        assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", tag)
    assert web.get(VOLUME, {"limit": 3}, If_None_Match=tag).status == 200
    assert web.get(VOLUME, If_None_Match=tag, Accept="text/csv").status == 200
    assert web.get("/api/volume-5s", If_None_Match=tag).status == 200
    for constant in ("/api/", f"{LOGS}/layout", "/api/openapi.json"):
        assert web.get(constant, If_None_Match=web.get(constant).headers["ETag"]).status == 304


@pytest.mark.slow
def test_every_way_to_write_a_table_changes_its_answer(
    daemon: Daemon, config: dict[str, Any], engine: Engine, database: str, tmp_path: Path
) -> None:
    """A flush, a replay and a retry each make the API give the new rows, and date them anew."""
    web = Server(tmp_path, database)
    place = Place(tmp_path, database)

    def flush() -> None:
        daemon.intake.accept(body(1))
        daemon.flusher.flush()

    def replay() -> None:
        place.write("m.jsonl", lines(body(2)))
        assert place.run("replay", "m.jsonl")[0] == 0

    before = web.get(VOLUME)
    assert before.json == []
    for number, write in enumerate((flush, replay), 1):
        time.sleep(0.3)  # longer than the API takes it as known when the table was written
        write()
        time.sleep(0.3)
        after = web.get(VOLUME, If_None_Match=before.headers["ETag"])
        assert after.status == 200
        assert len(after.json) == number
        before = after
    assert web.end() == (0, "")


def test_last_modified_is_when_the_table_was_last_written(made: tuple[Engine, Server]) -> None:
    """It is good for If-Modified-Since once no other flush can have the same second."""
    engine, web = made
    with engine.begin() as connection:
        old = (
            "UPDATE statscache_coverage SET updated = '2024-01-01 12:00:00.25+00' WHERE plugin = 'volume-5s'"
        )
        connection.execute(text(old))
    time.sleep(0.3)
    when = "Mon, 01 Jan 2024 12:00:00 GMT"
    assert web.get("/api/volume-5s").headers["Last-Modified"] == when
    assert web.get("/api/volume-5s", If_Modified_Since=when).status == 304
    assert web.get("/api/volume-5s", If_Modified_Since="Mon, 01 Jan 2024 11:59:59 GMT").status == 200
    assert web.get("/api/volume-5s", If_Modified_Since="Mon, 01 Jan 2024 13:00:00 GMT").status == 200
    assert web.get("/api/volume-5s", If_Modified_Since="once").status == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE statscache_coverage SET updated = now() WHERE plugin = 'volume-5s'"))
    time.sleep(0.3)
    recent = web.get("/api/volume-5s").headers["Last-Modified"]
    assert web.get("/api/volume-5s", If_Modified_Since=recent).status == 200
