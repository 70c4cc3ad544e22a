"""Gaps are filled by hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from urllib3 import Retry

from statscache.app import open_app
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.backfill import Backfill
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
