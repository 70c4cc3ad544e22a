"""Gaps are filled by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from urllib3 import Retry

from statscache.app import open_app
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.backfill import Backfill
from statscache.history.files.replay import replay
from statscache.messages.delivery import body_of
from tests.support.hour import START, volume
from tests.system.datagrepper import Archive, Fault


def test_what_the_archive_does_not_give_is_left_as_a_gap(
    config: dict[str, Any], engine: Engine, archive: Archive
) -> None:
    """It is named, and the next backfill fills it."""
    number = archive.fail(Fault.CUT, around=START + 1800.5)
    app = open_app(config)
    everything = app.writer.plugins, START, START + 3600
    reported: list[str] = []
    work = Backfill(app, *everything)
    impatient = Datagrepper(archive.url, retry=Retry(total=1, backoff_factor=0))
    work.run(impatient, reported.append, lambda seconds, messages: None)
    assert volume(engine) == work.counted == 2 * (3600 - work.left)
    assert 0 < work.left < 100
    assert archive.url in reported[0]
    archive.lift(number)
    again = Backfill(app, *everything)
    again.run(impatient, reported.append, lambda seconds, messages: None)
    assert (again.seconds, again.left, volume(engine)) == (work.left, 0, 7200)
    app.engine.dispose()


def test_messages_of_fedora_messaging_count_as_they_do_live(
    config: dict[str, Any], engine: Engine, tmp_path: Path
) -> None:
    """Whether they came from an archive or from a file, they name whom their headers name, and count once."""
    recorded = [record(n) for n in range(20)]
    archive = Archive([body_of(each["topic"], each["id"], each["headers"], b"{}") for each in recorded])
    app = open_app(config)
    Backfill(app, app.writer.plugins, START, START + 60).run(
        Datagrepper(archive.url), pytest.fail, lambda seconds, messages: None
    )
    archive.close()
    with engine.connect() as connection:
        users = "SELECT username, sum(volume) FROM data_volume_by_user_1m GROUP BY 1 ORDER BY 1"
        assert [tuple(row) for row in connection.execute(text(users))] == [("ada", 10), ("joe", 10)]
        packages = "SELECT package, sum(volume) FROM data_volume_by_package_1m GROUP BY 1"
        assert [tuple(row) for row in connection.execute(text(packages))] == [("vim", 20)]
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in recorded), encoding="utf-8")
    outcome = replay(app, [path], pytest.fail, lambda count, messages: None)
    assert (outcome.read, outcome.known, volume(engine)) == (20, 20, 20)
    app.engine.dispose()


def record(n: int) -> dict[str, Any]:
    """Return what `fedora-messaging record` writes of a message."""
    headers = {
        "fedora_messaging_rpm_vim": True,
        "fedora_messaging_schema": "unknown.schema",
        f"fedora_messaging_user_{('ada', 'joe')[n % 2]}": True,
        "sent-at": f"2023-11-14T22:13:{20 + n}+00:00",
    }
    return {"topic": "org.test.prod.new.thing", "body": {}, "id": f"id-{n}", "headers": headers, "queue": "q"}
