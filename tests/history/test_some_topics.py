"""Who asks an archive for less counts the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import urllib3
from sqlalchemy import Engine, create_engine, text

from statscache.app import App, open_app
from statscache.database.lock import counting
from statscache.demo.traffic import traffic
from statscache.history.archives import datanommer_reader
from statscache.history.archives.archive import Hole, Slice
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.archives.datanommer import Datanommer
from statscache.history.backfill import Backfill
from statscache.history.files.replay import replay
from statscache.history.topics import Topics, declared
from statscache.span import Span
from statscache.store.coverage import cover
from tests.history.archives.test_datanommer import create, run
from tests.history.archives.test_datanommer_topics import INDEX
from tests.support.databases import new_database
from tests.support.pages import Pages, Reply

START = 1_700_000_000
WEEK = Span(START, START + 7 * 86_400)
INSERT = """
INSERT INTO messages (msg_id, i, topic, timestamp, username, msg)
VALUES (:msg_id, :i, :topic, to_timestamp(:timestamp) AT TIME ZONE 'UTC', :username, :msg)
"""
TABLES = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname = 'public' AND NOT relispartition AND relname !~ '^statscache' ORDER BY 1
"""
COVERED = "SELECT plugin, covered::text FROM statscache_coverage ORDER BY 1"
Tables = dict[str, list[tuple[Any, ...]]]


class Watched(Datanommer):
    """A datanommer that notes what it was asked for, and how many messages it gave."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.given: list[tuple[Topics | None, int]] = []

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        for part in super().slices(span, topics):
            assert isinstance(part, Slice), part
            self.given.append((topics, len(part.bodies)))
            yield part


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are small."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 200)


@pytest.fixture
def archived(server: Engine, messages: list[dict[str, Any]]) -> Iterator[str]:
    """The URL of a database of datanommer's with the messages."""
    with new_database(server) as url:
        engine = create_engine(url)
        create(engine)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
            rows = [
                {**each, "msg": json.dumps(each["msg"]), "username": each.get("username")}
                for each in messages
            ]
            connection.execute(text(INSERT), rows)
        run(engine, "ANALYZE messages")
        engine.dispose()
        yield url


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    """The messages of a week."""
    found = []
    for body in traffic(7, WEEK.start, 0.005):
        if body["timestamp"] >= WEEK.stop:
            return found
        found.append(body)
    raise AssertionError("there is no end of messages")


def tables_of(engine: Engine) -> Tables:
    """Return all rows of plugins' tables, and what is covered."""
    with engine.connect() as connection:
        names = connection.scalars(text(TABLES)).all()
        tables = {
            name: sorted(map(tuple, connection.execute(text(f"SELECT t::text FROM {name} AS t"))))
            for name in names
        }
        return {**tables, "covered": list(map(tuple, connection.execute(text(COVERED))))}


def narrow(app: App) -> frozenset[str]:
    """Return the plugins that say which topics they want."""
    return frozenset(declared(app.plugins))


def of_pagure(app: App) -> frozenset[str]:
    return frozenset(plugin for plugin in app.plugins if "pagure" in plugin)


def all_plugins(app: App) -> frozenset[str]:
    return frozenset(app.plugins)


def nothing(app: App) -> None:
    """Let all plugins lack all."""


def different_gaps(app: App) -> None:
    """Let plugins lack different times, of whatever topics."""
    with counting(app.engine) as connection:
        for number, plugin in enumerate(sorted(app.plugins)):
            if number % 6 == 0:
                cover(connection, [plugin], Span(START + number * 9000, START + number * 9000 + 86_400))


@pytest.mark.parametrize("before", [nothing, different_gaps])
@pytest.mark.parametrize("chosen", [all_plugins, narrow, of_pagure])
def test_every_cell_is_as_if_all_was_read(
    chosen: Callable[[App], frozenset[str]],
    before: Callable[[App], None],
    server: Engine,
    archived: str,
    config: dict[str, Any],
    messages: list[dict[str, Any]],
) -> None:
    """Tables and coverage are the same; first came what few want."""
    found: list[Tables] = []
    archive = Watched(archived)
    source = create_engine(archived)
    for statement in ("SELECT", INDEX):
        run(source, statement)
        archive.given.clear()
        with new_database(server) as url:
            app = open_app({**config, "statscache.sqlalchemy.uri": url, "statscache.consumer.epoch": START})
            before(app)
            work = Backfill(app, chosen(app), WEEK.start, WEEK.stop)
            seconds = work.seconds
            work.run(archive, pytest.fail, lambda seconds, messages: None)
            assert (work.filled, work.left) == (seconds, 0)
            found.append(tables_of(app.engine))
            app.engine.dispose()
    source.dispose()
    full, less = found
    assert less == full
    assert any(full[name] for name in full if name != "covered")
    is_narrow = [topics is not None for topics, _ in archive.given]
    assert is_narrow[0]
    assert is_narrow == sorted(is_narrow, reverse=True), "what few want comes first"
    if chosen is of_pagure and before is nothing:
        assert sum(count for _, count in archive.given) < len(messages)


@pytest.mark.parametrize("chosen", [all_plugins, of_pagure])
def test_every_cell_is_the_same_from_a_datagrepper(
    chosen: Callable[[App], frozenset[str]],
    server: Engine,
    config: dict[str, Any],
    messages: list[dict[str, Any]],
) -> None:
    """Whether it lists its topics or not; of one that does, less is read, or first what few want."""
    found: list[Tables] = []
    pages = Pages(messages)
    pages.start()
    for topics in (None, sorted({each["topic"] for each in messages})):
        pages.topics = topics
        pages.queries.clear()
        with (
            new_database(server) as url,
            closing(Datagrepper(pages.url, rows_per_page=50, most=400)) as archive,
        ):
            app = open_app({**config, "statscache.sqlalchemy.uri": url, "statscache.consumer.epoch": START})
            work = Backfill(app, chosen(app), WEEK.start, WEEK.stop)
            work.run(archive, pytest.fail, lambda seconds, messages: None)
            assert (work.filled, work.left) == (WEEK.seconds, 0)
            found.append(tables_of(app.engine))
            app.engine.dispose()
    pages.stop()
    full, less = found
    assert less == full
    assert any(full[name] for name in full if name != "covered")
    read = ["topic" in query for _, query in pages.queries if int(query["rows_per_page"]) > 1]
    assert read[0]
    assert all(read) == (chosen is of_pagure)


def test_what_is_not_given_to_those_who_want_little_is_a_gap_of_theirs(
    config: dict[str, Any], engine: Engine, messages: list[dict[str, Any]]
) -> None:
    """The seconds of the hole are left, though others have them, and are filled the next time."""
    hole = WEEK.start + 200_000
    pages = Pages(messages)
    pages.topics = sorted({each["topic"] for each in messages})
    pages.start()

    def trouble(query: dict[str, str], times: int) -> Reply | None:
        is_page = "topic" in query and int(query["rows_per_page"]) > 1
        return Reply(500) if is_page and int(query["start"]) <= hole < int(query["end"]) else None

    pages.trouble = trouble
    app = open_app({**config, "statscache.consumer.epoch": START})
    reported: list[str] = []
    retry = urllib3.Retry(total=0, backoff_factor=0)
    with closing(Datagrepper(pages.url, retry=retry, rows_per_page=50, most=400)) as archive:
        work = Backfill(app, all_plugins(app), WEEK.start, WEEK.stop)
        work.run(archive, reported.append, lambda seconds, messages: None)
        assert (work.filled, work.left, len(reported)) == (WEEK.seconds - 1, 1, 1)
        assert work.counted == len(messages)
        pages.trouble = lambda query, times: None
        again = Backfill(app, all_plugins(app), WEEK.start, WEEK.stop)
        assert [piece.span for piece in again.pieces] == [Span(hole, hole + 1)]
        assert again.pieces[0].plugins < narrow(app)
        again.run(archive, pytest.fail, lambda seconds, messages: None)
        assert (again.filled, again.left) == (1, 0)
    pages.stop()
    app.engine.dispose()


def test_what_was_not_asked_for_is_known_all_the_same(
    archived: str, config: dict[str, Any], engine: Engine, tmp_path: Path, messages: list[dict[str, Any]]
) -> None:
    """A message that the plugins of some topics do not want lacks nobody when it comes in a file."""
    source = create_engine(archived)
    run(source, INDEX)
    source.dispose()
    app = open_app({**config, "statscache.consumer.epoch": START, "statscache.ledger.keep": 10_000})
    work = Backfill(app, frozenset(app.plugins), WEEK.start, WEEK.stop)
    archive = Watched(archived)
    work.run(archive, pytest.fail, lambda seconds, messages: None)
    assert archive.given[0][0] is not None
    assert work.counted == len(messages)
    path = tmp_path / "week.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in messages), encoding="utf-8")
    before = tables_of(engine)
    outcome = replay(app, [path], pytest.fail, lambda count, messages: None)
    assert (outcome.read, outcome.known) == (len(messages), len(messages))
    assert tables_of(engine) == before
    app.engine.dispose()
