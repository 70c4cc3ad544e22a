"""The release-engineering dashboard that was once written for this API, and real messages on it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.shared import read_lines
from tests.support.web import LOGS, Client, Server, filled


class Dashboard:
    """Does what the dashboard does in a browser, in its order."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.layout = self.json_p(f"{LOGS}/layout")
        self.rows = self.json_p(LOGS)

    def json_p(self, path: str) -> Any:
        """Load a script as jQuery does, and return what its function is called with."""
        reply = self._client.get(path, {"callback": "jQuery1113_17", "_": "1450000000000"}, Accept="*/*")
        assert reply.status == 200
        assert reply.headers["Content-Type"].split(";")[0] == "application/javascript"
        match = re.fullmatch(r"jQuery1113_17\((.*)\);?", reply.body.decode("ascii"), re.DOTALL)
        assert match
        return json.loads(match[1])

    def shown(self) -> dict[str, list[tuple[datetime, str, str]]]:
        """Return for each component its first eight rows: instant, name, how the status is shown."""
        options = self.layout["default_options"]
        assert options["old_log_threshold"]["key"] == "hours"
        assert options["old_log_threshold"]["value"] > 0
        shown = {}
        for group in self.layout["groups"]:
            assert group["id"]
            assert group["name"]
            for component in group["components"]:
                assert component["name"]
                assert isinstance(component["show_status"], bool)
                assert isinstance(component["show_time_at"], bool)
                rows = [row for row in self.rows if row["category"] == component["id"]][:8]
                shown[component["id"]] = [self._line(row, options) for row in rows]
        return shown

    @staticmethod
    def _line(row: dict[str, Any], options: dict[str, Any]) -> tuple[datetime, str, str]:
        state = json.loads(row["message"])
        status = row["status"].lower()
        assert state["status"].lower() == status
        verb = options["status_verb_map"].get(status, status)
        assert options["status_class_map"].get(status, "").startswith(("text-", ""))
        return datetime.fromtimestamp(float(row["timestamp"]), UTC), state["name"], verb


@pytest.fixture(scope="module")
def real(
    server: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Server]]:
    """An API on the tables that the real messages make."""
    lines = [
        line for name in ("messages", "derived") for line in read_lines(shared / "data" / f"{name}.jsonl")
    ]
    with filled(server, tmp_path_factory.mktemp("dashboard"), *(line["message"] for line in lines)) as made:
        yield made


def test_the_dashboard_shows_the_newest_of_each_component(real: tuple[Engine, Server]) -> None:
    """What it shows of real messages is what the table holds, newest first, eight at most."""
    engine, web = real
    query = text(
        "SELECT category, timestamp, message->>'name', message->>'status' FROM data_releng_dashboard"
    )
    expected = defaultdict(list)
    with engine.connect() as connection:
        for category, timestamp, name, status in connection.execute(query):
            expected[category].append((timestamp.astimezone(UTC), name, status.lower()))
    verbs = {"start": "started", "complete": "completed", "open": "opened", "close": "closed"}
    shown = Dashboard(web).shown()
    assert {"compose-rawhide_primary", "updates-fedora", "ami-rawhide", "artifact-livecd_x86_64"} <= set(
        shown
    )
    filled = 0
    for category, lines in shown.items():
        newest = sorted(expected[category], reverse=True)[:8]
        assert [line[0] for line in lines] == [line[0] for line in newest]
        assert sorted(lines) == sorted(
            (when, name, verbs.get(status, status)) for when, name, status in newest
        )
        filled += bool(lines)
    assert filled >= 4


def put(
    engine: Engine, count: int, category: str, start: int, state: str = '{"name": "n", "status": "open"}'
) -> None:
    """Put states of many things into the log."""
    query = text(
        "INSERT INTO data_releng_dashboard SELECT :category, 'thing ' || n, to_timestamp(:start + n), 0, '', "
        "cast(:state AS jsonb) FROM generate_series(1, :count) AS n"
    )
    with engine.begin() as connection:
        connection.execute(query, {"count": count, "category": category, "start": start, "state": state})


def keys(pages: list[list[dict[str, Any]]]) -> list[tuple[str, str]]:
    return [(row["category"], row["category_constraint"]) for page in pages for row in page]


def in_table(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        query = text("SELECT category, category_constraint FROM data_releng_dashboard")
        return [tuple(row) for row in connection.execute(query)]


@pytest.fixture(scope="module")
def crowd(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    """An API on a log in which one category is far busier, and newer, than twenty others."""
    with filled(server, tmp_path_factory.mktemp("busy")) as (engine, web):
        put(engine, 300, "busy", 1_700_000_000)
        for number in range(20):
            put(engine, number, f"quiet {number:02}", 1_600_000_000 + 1000 * number)
        yield engine, web


@pytest.fixture
def busy(crowd: tuple[Engine, Server]) -> Server:
    """The API on that log."""
    return crowd[1]


@pytest.fixture
def engine(crowd: tuple[Engine, Server]) -> Engine:
    """An engine on that log."""
    return crowd[0]


@pytest.mark.parametrize("size", [None, 7, 100])
def test_a_busy_category_pushes_no_quiet_one_off_the_first_page(
    size: int | None, busy: Server, engine: Engine
) -> None:
    """First come the newest eight of each category, then the rest; each row once, and the same backwards."""
    query = {} if size is None else {"rows_per_page": size}
    pages = busy.pages(LOGS, query)
    assert sorted(keys(pages)) == sorted(in_table(engine))
    newest = 8 + sum(min(number, 8) for number in range(20))
    if size is None:
        assert len(pages[0]) == newest
    firsts = [page for page in pages if page[0]["timestamp"] >= 0][: -(-newest // (size or newest))]
    counts: defaultdict[str, int] = defaultdict(int)
    for category, _ in keys(firsts):
        counts[category] += 1
    assert counts == {"busy": 8, **{f"quiet {number:02}": min(number, 8) for number in range(1, 20)}}
    for page in pages:
        assert [row["timestamp"] for row in page] == sorted((row["timestamp"] for row in page), reverse=True)
    last = busy.get(LOGS, query)
    while "next" in last.links:
        last = busy.get(last.links["next"])
    back = [last.json]
    while "previous" in last.links:
        last = busy.get(last.links["previous"])
        back.append(last.json)
    assert sorted(keys(back)) == sorted(keys(pages))
    if size is None:
        assert back[-1] == pages[0]


@pytest.mark.slow
def test_states_of_one_instant_come_once_each(server: Engine, tmp_path: Path) -> None:
    """Where many things of several categories have the same timestamp, following the links still gives the table."""
    with filled(server, tmp_path) as (engine, web):
        for number in range(3):
            put(engine, 25, f"all at once {number}", 1_700_000_000)
        with engine.begin() as connection:
            connection.execute(text("UPDATE data_releng_dashboard SET timestamp = '2024-01-01Z'"))
        for query in ({}, {"rows_per_page": 7}, {"rows_per_page": 1}, {"rows_per_page": 7, "order": "asc"}):
            found = keys(web.pages(LOGS, query))
            assert sorted(found) == sorted(in_table(engine))
            if "order" in query:
                assert found == sorted(found)
            else:
                assert found[:24] == sorted(found[:24], reverse=True)
                assert found[24:] == sorted(found[24:], reverse=True)


@pytest.mark.parametrize("size", [None, 40])
def test_pages_by_number_are_those_of_the_links(size: int | None, busy: Server) -> None:
    """A log's numbered pages are the same pages, and their count is told."""
    query = {} if size is None else {"rows_per_page": size}
    pages = busy.pages(LOGS, query)
    for number, page in enumerate(pages, 1):
        reply = busy.get(LOGS, {**query, "page": number})
        assert reply.json == page
        assert reply.headers["X-Link-Number"] == str(number)
        assert reply.headers["X-Link-Count"] == str(len(pages))
    assert busy.rows(LOGS, {**query, "page": len(pages) + 1}) == []


@pytest.mark.parametrize(
    "query",
    [
        {"category": "busy"},
        {"category": ["busy", "quiet 03", "nothing"]},
        {"category_constraint": ["thing 1", "thing 2"]},
        {"category": "busy", "category_constraint": ["thing 1", "thing 290"]},
        {"order": "asc"},
        {"order": "asc", "category": ["quiet 19", "quiet 10"]},
        {"start": 1_600_000_000, "stop": 1_600_015_000},
        {"limit": 150, "rows_per_page": 40},
    ],
    ids=str,
)
def test_a_log_can_be_asked_for_less(query: dict[str, Any], busy: Server, engine: Engine) -> None:
    """Filters, ranges, order and limit hold over all pages together."""
    found = keys(busy.pages(LOGS, query))
    assert len(set(found)) == len(found)
    if "limit" in query:
        assert len(found) == query["limit"]
        return
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT category, category_constraint, extract(epoch FROM timestamp) AS seconds "
                "FROM data_releng_dashboard ORDER BY timestamp, category, category_constraint"
            )
        ).all()
    listed = {name: [query[name]] if isinstance(query[name], str) else query[name] for name in query}
    wanted = [
        (row.category, row.category_constraint)
        for row in rows
        if row.category in listed.get("category", [row.category])
        and row.category_constraint in listed.get("category_constraint", [row.category_constraint])
        and query.get("start", 0) <= row.seconds < query.get("stop", 1e12)
    ]
    assert found == wanted if "order" in query else sorted(found) == sorted(wanted)


STATES = {
    '{"name": "x"}': "",
    '{"status": null}': "",
    '{"status": 7}': "7",
    '{"status": {"a": 1}}': '{"a": 1}',
    '{"status": "OK", "big": 1e400}': "OK",
}


def test_every_row_has_a_status_that_is_a_text(busy: Server, engine: Engine) -> None:
    """Whatever a plugin has noted, toLowerCase() can be called on the status, in the row and in its message."""
    for number, state in enumerate(STATES):
        put(engine, 1, f"odd {number}", 1_500_000_000, state)
    for number, status in enumerate(STATES.values()):
        row = busy.rows(LOGS, {"category": f"odd {number}"})[0]
        assert row["status"] == status
        assert json.loads(row["message"])["status"] == status
