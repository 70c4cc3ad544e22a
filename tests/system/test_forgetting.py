"""A real daemon forgets somebody while it runs: no byte of the name is left, and no figure changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.forgetting import NAME, in_files, named
from tests.support.hub import Bus, Hub, volume, wait_for
from tests.support.place import Place
from tests.support.tools import Tools, plain

pytestmark = pytest.mark.slow
OTHER = "kxqwzvjhyqkxqwzvjhyq"
START = 1_700_000_000
#: What must stay as it is.
FIGURES = """
SELECT json_build_array(
    (SELECT sum(volume) FROM data_volume_by_user_1h), (SELECT count(DISTINCT username) FROM data_volume_by_user_1h),
    (SELECT sum(volume) FROM data_contribution_1h), (SELECT count(DISTINCT agent) FROM data_contribution_1h),
    (SELECT sum(volume) FROM data_volume_by_topic_1h), (SELECT count(DISTINCT topic) FROM data_volume_by_topic_1h),
    (SELECT count(*) FROM data_newcomer), (SELECT count(*) FROM data_pagure_pull_request_1h_event),
    (SELECT sum("people") FROM data_contribution_1h_distinct('2023-11-01', '2023-12-01', 'day', 'UTC')),
    (SELECT sum(volume) FROM data_volume_1m))
"""


def message(number: int) -> dict[str, Any]:
    """Return a message that names one of three people wherever it can."""
    who = (NAME, OTHER, "carol")[number % 3]
    user = {"name": who, "emails": [f"{who}@example.org"]}
    project = {
        "id": 7,
        "name": "tool",
        "parent": {"name": "tool"},
        "user": user,
        "fullname": f"forks/{who}/tool",
    }
    kind = ("new", f"{who}.comment.added")[number % 2]
    return {
        "topic": f"io.pagure.prod.pagure.pull-request.{kind}",
        "msg_id": f"2023-{who}-{number}",
        "timestamp": START + number,
        "username": "pagure",
        "i": number,
        "headers": {f"fedora_messaging_user_{who}": True, f"fedora_messaging_user_{who}@example.org": True},
        "msg": {
            "agent": who,
            "pullrequest": {
                "id": number,
                "project": project,
                "user": user,
                "comment": f"by {who}\n{who} asks",
            },
        },
    }


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"statscache.spool.tail": 900, "statscache.forget.key": str(tmp_path / "forget.key")}


def figures(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text(FIGURES))


def test_no_byte_of_a_name_is_left(
    start_hub: Callable[..., Hub],
    bus: Bus,
    engine: Engine,
    server: Engine,
    config: dict[str, Any],
    settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    """In a dump, in the spool, or in the log from then on; later messages bring none back."""
    pg_dump, names = Tools(server), (NAME, OTHER)
    hub = start_hub(settings)
    hub.wait_until_running()
    bus.send_all(map(message, range(60)))
    wait_for("all to be counted", lambda: volume(engine) == 60)
    dump = pg_dump("pg_dump", plain(config["statscache.sqlalchemy.uri"]))
    before, logged = figures(engine), len(hub.log)
    assert all(name in dump and in_files(tmp_path / "spool", name) for name in names)
    told = forget(tmp_path, {**config, **settings}, names)
    assert told["spools"] == {"removed": [], "uncounted": [], "waiting": [], "elsewhere": []}
    assert figures(engine) == before
    assert [name for name in names if in_files(tmp_path / "spool", name)] == []
    bus.send_all(map(message, range(120)))
    wait_for("all to be counted", lambda: volume(engine) == 120)
    dump = pg_dump("pg_dump", plain(config["statscache.sqlalchemy.uri"]))
    assert [name for name in names if name in dump] == []
    assert [name for name in names if name in hub.log[logged:]] == []
    assert forget(tmp_path, {**config, **settings}, names, "--dry-run")["rows"] == {}
    assert hub.end()[0] == 0


def test_a_command_that_is_killed_is_made_good_by_the_next(
    start_hub: Callable[..., Hub],
    bus: Bus,
    engine: Engine,
    config: dict[str, Any],
    settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    """At whatever instant it was, and whatever was counted meanwhile."""
    hub = start_hub(settings)
    hub.wait_until_running()
    bus.send_all(map(message, range(60)))
    wait_for("all to be counted", lambda: volume(engine) == 60)
    before = figures(engine)
    place = placed(tmp_path, {**config, **settings})
    for tenths in range(4, 16):
        process = place.start("forget", NAME, stdout=subprocess.DEVNULL)
        try:
            process.wait(tenths / 10)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        bus.send(message(tenths))
    forget(tmp_path, {**config, **settings}, [NAME])
    assert figures(engine) == before
    assert named(engine) == {}
    assert in_files(tmp_path / "spool") == []
    assert hub.end()[0] == 0


def placed(directory: Path, settings: dict[str, Any]) -> Place:
    """Return where somebody of the daemon's machine runs commands."""
    (directory / "place").mkdir(exist_ok=True)
    place = Place(directory / "place", settings["statscache.sqlalchemy.uri"])
    place.configure(settings)
    return place


def forget(directory: Path, settings: dict[str, Any], names: Sequence[str], *options: str) -> Any:
    """Forget people, and return what is said of it."""
    place = placed(directory, settings)
    code, output, errors = place.run("forget", *names, "--json", *options)
    assert code == 0, errors
    return json.loads(output)
