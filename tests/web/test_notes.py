"""What was noted, over HTTP."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from statscache.plugins import Note
from statscache.store.notes import add_note
from tests.support.packages import IDLE, install
from tests.support.place import Place
from tests.support.sql import run
from tests.support.web import Server, filled

NOTES = "/api/notes"
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
SECOND = int(NOON.timestamp())
COMPOSE = {
    "topic": "org.fedoraproject.prod.pungi.compose.status.change",
    "msg": {"compose_id": "Fedora-41-20240531.0", "status": "FINISHED"},
    "msg_id": "2024-compose",
    "timestamp": SECOND + 0.75,
}
FIRST = {"start": SECOND - 3600, "stop": SECOND + 60, "kind": "outage", "text": "=1+1", "link": None}
SECOND_ONE = {
    "start": SECOND,
    "stop": None,
    "kind": "other",
    "text": "Compose finished: Fedora-41-20240531.0",
    "link": None,
}
THIRD = {
    "start": SECOND + 1,
    "stop": None,
    "kind": "release",
    "text": "<script>, é",
    "link": "https://example.org/1.0",
}


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    """An API on two notes by hand and one of the bus."""
    with filled(server, tmp_path_factory.mktemp("notes"), COMPOSE) as made:
        with made[0].begin() as connection:
            for note in (THIRD, FIRST):
                start, stop = (
                    when and datetime.fromtimestamp(when, UTC) for when in (note["start"], note["stop"])
                )
                add_note(connection, Note(**{**note, "start": start, "stop": stop}))  # type: ignore[arg-type]
        yield made


@pytest.fixture
def web(made: tuple[Engine, Server]) -> Server:
    """The API."""
    return made[1]


def test_notes_of_people_and_of_the_bus_are_one_list(web: Server) -> None:
    """That with the latest start first, instants in seconds since 1970."""
    assert web.rows(NOTES) == [THIRD, SECOND_ONE, FIRST]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "other"}, [SECOND_ONE]),
        ({"kind": ["release", "outage"]}, [THIRD, FIRST]),
        ({"limit": 2}, [THIRD, SECOND_ONE]),
        ({"start": SECOND + 1}, [THIRD, FIRST]),
        ({"stop": "2024-05-31T12:00:01Z"}, [SECOND_ONE, FIRST]),
        ({"start": SECOND + 60, "stop": SECOND + 99}, []),
        ({"start": SECOND, "stop": SECOND + 1, "kind": "other", "limit": 9, "_": 1}, [SECOND_ONE]),
    ],
)
def test_they_are_chosen_by_time_and_kind(query: dict[str, object], found: list[object], web: Server) -> None:
    """What reaches into the time belongs to it."""
    assert web.rows(NOTES, query) == found


def test_they_come_in_every_form(web: Server) -> None:
    """CSV by the ending, by format and by Accept; JSON-P with a callback."""
    csvs = [web.get(f"{NOTES}.csv"), web.get(NOTES, {"format": "csv"}), web.get(NOTES, Accept="text/csv")]
    assert len({reply.body for reply in csvs}) == 1
    titles, *lines = csv.reader(io.StringIO(csvs[0].body.decode(), newline=""))
    assert titles == ["start", "stop", "kind", "text", "link"]
    assert lines[0] == ["2024-05-31T12:00:01Z", "", "release", "<script>, é", "https://example.org/1.0"]
    assert lines[2][:2] == ["2024-05-31T11:00:00Z", "2024-05-31T12:01:00Z"]
    assert web.get(f"{NOTES}.json").json == web.rows(NOTES)
    script = web.get(NOTES, {"callback": "f"}, Accept="*/*").body
    assert json.loads(script.removeprefix(b"f(").removesuffix(b");")) == web.rows(NOTES)


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        (NOTES, {"kind": "party"}, 400, "kind must be release or outage or other"),
        (NOTES, {"limit": 0}, 400, "limit must be a whole number from 1 to 10000"),
        (NOTES, {"start": "soon"}, 400, "start must be"),
        (NOTES, {"page": 1}, 400, "there is no parameter 'page' here"),
        (f"{NOTES}.csv", {"format": "json"}, 400, "the path ends in .csv"),
        (f"{NOTES}.xml", {}, 404, "there is no form 'xml' here"),
        (f"{NOTES}/layout", {}, 404, "there is no plugin 'notes' here"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    path: str, query: dict[str, object], status: int, said: str, web: Server
) -> None:
    """In one sentence."""
    reply = web.get(path, query)
    assert (reply.status, reply.error[: len(said)]) == (status, said)


def test_what_has_not_changed_is_not_sent_again(made: tuple[Engine, Server]) -> None:
    """A note that is added or removed changes the answer at once."""
    engine, web = made
    tag = web.get(NOTES).headers["ETag"]
    reply = web.get(NOTES, If_None_Match=tag)
    assert (reply.status, reply.body) == (304, b"")
    run(engine, "INSERT INTO statscache_note (start, kind, text) VALUES (now(), 'other', 'new')")
    assert web.get(NOTES, If_None_Match=tag).status == 200
    run(engine, "DELETE FROM statscache_note WHERE text = 'new'")
    assert web.get(NOTES, If_None_Match=tag).status == 304


def test_the_plugin_that_takes_notes_has_a_path_of_its_own(web: Server) -> None:
    """Which gives what it knows, the message's id too."""
    assert "notes" not in web.get("/api/").json
    [row] = web.rows("/api/notes-from-the-bus")
    assert row == {**SECOND_ONE, "timestamp": SECOND + 0.75, "key": "2024-compose", "msg_id": "2024-compose"}


@pytest.mark.slow
def test_before_any_daemon_has_run_there_is_nothing(database: str, tmp_path: Path) -> None:
    """And no error."""
    web = Server(tmp_path, database)
    assert web.rows(NOTES) == []
    assert web.end() == (0, "")


@pytest.mark.slow
def test_a_plugin_that_is_called_notes_keeps_its_path(
    database: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's figures go away because statscache has notes now."""
    source = f"{IDLE}\nfrom statscache.plugins import CategorizedModel\n"
    source += "class Model(CategorizedModel):\n    __tablename__ = 'web_notes'\n"
    source += "plugins = [plugin('notes', Model)]\n"
    there = install(tmp_path / "packages", "others", source, others="plugins")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [there, os.environ.get("PYTHONPATH")])))
    Place(tmp_path, database).write("empty.jsonl", "")
    assert Place(tmp_path, database).run("replay", "empty.jsonl")[0] == 0
    run(engine, "INSERT INTO web_notes VALUES (1, to_timestamp(60), 'mine', 7)")
    web = Server(tmp_path, database)
    assert [row["category"] for row in web.rows(NOTES)] == ["mine"]
    assert web.get(f"{NOTES}.csv").body.decode().splitlines()[0] == "id,timestamp,category,scalar"
    paths = web.get("/api/openapi.json").json["paths"]
    assert "rows_per_page" in {each["name"] for each in paths[NOTES]["get"]["parameters"]}
    assert web.end() == (0, "")
