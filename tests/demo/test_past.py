"""The demo's made-up week."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from statscache.app import open_app
from statscache.demo.past import GAP, LENGTH, LOST, MadeUpArchive, Past
from statscache.history.archives.archive import Slice
from statscache.query.completeness import read_completeness
from statscache.span import Span
from statscache.store.notes import written_notes

NOW = int(datetime(2026, 5, 20, 9, 30, tzinfo=UTC).timestamp())


def test_the_week_is_counted_and_its_gap_stays_one(database: str, engine: Engine, tmp_path: Path) -> None:
    """To the message, in each table; once only, and what follows it is covered up to the present."""
    app = open_app(
        {"statscache.sqlalchemy.uri": database, "statscache.spool.directory": str(tmp_path / "spool")}
    )
    Past(app, 1, NOW).count()
    start = NOW - LENGTH
    gap = Span(start + GAP.start, start + GAP.stop)
    parts = list(MadeUpArchive(1, start).slices(Span(start, NOW)))
    made = [body for part in parts if isinstance(part, Slice) for body in part.bodies]
    assert 4000 < len(made) < 12_000
    assert not any(int(body["timestamp"]) in gap for body in made)
    tables = ["data_volume_1m", "data_volume_by_category_1d", "data_pagure_project_contribution_1d"]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == len(made)
        categories = Counter(body["topic"].split(".")[3] for body in made)
        rows = connection.execute(
            text("SELECT category, sum(volume)::int FROM data_volume_by_category_1d GROUP BY 1")
        )
        assert dict(rows.all()) == categories
        known = read_completeness(connection, tables, start, NOW + 60)
        assert known.spans == (Span(start, gap.start), Span(gap.stop, NOW))
        assert connection.execute(text("SELECT reason FROM statscache_gap")).scalars().all() == [LOST]
        assert [note.kind for note in written_notes(connection).values()] == ["release"]
    past = Past(app, 1, NOW + 30)
    past.count()
    past.go_on(NOW + 60)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == len(made)
        assert read_completeness(connection, tables, start, NOW + 60).spans[-1].stop == NOW


def test_the_time_until_the_first_message_is_covered(database: str, engine: Engine, tmp_path: Path) -> None:
    app = open_app(
        {"statscache.sqlalchemy.uri": database, "statscache.spool.directory": str(tmp_path / "spool")}
    )
    past = Past(app, 2, NOW)
    past.count()
    past.go_on(NOW + 25)
    with engine.connect() as connection:
        known = read_completeness(connection, ["data_volume_1m"], NOW - 60, NOW + 60)
    assert known.spans == (Span(NOW - 60, NOW + 25),)
