"""What the API says of each row: whether it is complete."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from tests.support.databases import new_database
from tests.support.hourly import HOUR, PATH, SPRING, Hourly, hourly, second_of
from tests.support.packages import IDLE, install
from tests.support.place import Place
from tests.support.web import Reply, Server

START, STOP = SPRING
MIDDLE = START + 30 * HOUR
RANGE = {"start": START, "stop": STOP}
#: What is said of each row.
ADDED = ("complete", "verified", "versions")
#: Longer than the API takes as known what it asked the database.
A_MOMENT = 0.3


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hourly]:
    """An API on rows of every hour, of which the first 30 hours are complete."""
    with hourly(server, tmp_path_factory.mktemp("complete")) as made:
        made.covers((START, MIDDLE), (STOP - HOUR, STOP + HOUR))
        yield made


def rows(made: Hourly, query: dict[str, Any], path: str = PATH) -> list[dict[str, Any]]:
    """Return all rows, and see that nothing else changes in them."""
    with_it = [row for page in made.web.pages(path, {**query, "complete": 1}) for row in page]
    plain = [row for page in made.web.pages(path, query) for row in page]
    assert [{name: row[name] for name in row if name not in ADDED} for row in with_it] == plain
    assert all(tuple(row)[-3:] == ADDED for row in with_it)
    return with_it


@pytest.mark.parametrize(
    "query", [{}, {"group": "timestamp"}, {"top": 50}, {"order": "asc", "category": "git"}]
)
def test_a_row_is_complete_if_its_window_is(query: dict[str, Any], made: Hourly) -> None:
    found = rows(made, {**RANGE, **query})
    assert found
    assert {row["complete"] for row in found} == {True, False}
    for row in found:
        second = row["timestamp"]
        assert row["complete"] == (second + HOUR <= MIDDLE or second == STOP - HOUR)


@pytest.mark.parametrize(
    ("start", "stop", "complete"),
    [
        (START, MIDDLE, True),
        (START, MIDDLE + 1, False),  # the window that begins at MIDDLE is part of the sum
        (START - 1, MIDDLE, True),  # no window begins in this second
        (START - HOUR, MIDDLE, False),
        (START + 1, MIDDLE - 1, True),
        (None, MIDDLE, True),  # the first row is the first of that time
        (START, None, False),
        (STOP - HOUR, STOP, True),
    ],
)
@pytest.mark.parametrize("more", [{}, {"top": 2}])
def test_a_sum_is_complete_if_its_whole_range_is(
    start: int | None, stop: int | None, complete: bool, more: dict[str, Any], made: Hourly
) -> None:
    query = {"group": "category", **more}
    query |= {name: value for name, value in (("start", start), ("stop", stop)) if value is not None}
    assert {row["complete"] for row in rows(made, query)} == {complete}


@pytest.mark.parametrize("more", [{}, {"group": "category"}, {"top": 3}, {"group": "category", "top": 5}])
def test_a_period_is_complete_if_all_of_it_is(more: dict[str, Any], made: Hourly) -> None:
    """A day in Berlin begins an hour before one of UTC, and is as long as its clocks say."""
    made.covers(
        (second_of("2024-03-31T00:00+01:00"), second_of("2024-04-01T00:00+02:00")),
        plugin="volume-by-category-1m",
    )
    made.run(
        "INSERT INTO data_volume_by_category_1m SELECT * FROM data_volume_by_category_1h ON CONFLICT DO NOTHING"
    )  # fmt: skip
    query = {"step": "day", "tz": "Europe/Berlin", **RANGE, **more}
    found = rows(made, query, "/api/volume-by-category-1m")
    assert {row["timestamp"] for row in found if row["complete"]} == {second_of("2024-03-31T00:00+01:00")}
    assert {row["complete"] for row in found} == {True, False}
    hours = rows(made, {"step": "hour", **RANGE, **more})
    assert all(
        row["complete"] == (row["timestamp"] + HOUR <= MIDDLE or row["timestamp"] == STOP - HOUR)
        for row in hours
    )


def test_a_zero_says_whether_it_is_known(made: Hourly) -> None:
    """Two hours in which nothing was counted: one is complete, and of the other nobody knows."""
    query = {"step": "hour", "start": STOP, "stop": STOP + 2 * HOUR, "order": "asc"}
    assert rows(made, query) == [
        {"timestamp": STOP, "volume": 0, "complete": True, "verified": None, "versions": [1]},
        {"timestamp": STOP + HOUR, "volume": 0, "complete": False, "verified": None, "versions": [1]},
    ]


def test_csv_has_the_column_too(made: Hourly) -> None:
    reply = made.web.get(f"{PATH}.csv", {**RANGE, "complete": 1})
    titles, *lines = csv.reader(io.StringIO(reply.body.decode(), newline=""))
    assert titles == ["timestamp", "category", "volume", "complete", "verified", "versions"]
    expected = ["true" if row["complete"] else "false" for row in rows(made, RANGE)]
    assert [line[-3] for line in lines] == expected
    assert {tuple(line[-2:]) for line in lines} == {("", "1")}


def test_what_has_no_times_of_its_own_does_not_say_so(made: Hourly) -> None:
    assert (
        "there is no parameter 'complete' here"
        in made.web.get("/api/notes-from-the-bus", {"complete": 1}).error
    )
    assert "complete must be 1" in made.web.get(PATH, {"complete": "yes"}).error


VERIFIED = (
    "INSERT INTO statscache_verification (table_name, times, agrees, archive, checked) VALUES "
    "('data_volume_by_category_1h', tstzmultirange(tstzrange(to_timestamp({}), to_timestamp({}))), {}, 'it', '{}')"
)
FIRST, SECOND = second_of("2024-05-01T03:00"), second_of("2024-06-01T03:00")


def test_a_row_says_when_it_was_verified(made: Hourly) -> None:
    """A sum says when the first of its windows was, if all of them were."""
    made.run(VERIFIED.format(START, START + 10 * HOUR, "true", "2024-05-01 03:00Z"))
    made.run(VERIFIED.format(START + 10 * HOUR, START + 12 * HOUR, "true", "2024-06-01 03:00Z"))
    made.run(VERIFIED.format(START + 12 * HOUR, START + 13 * HOUR, "false", "2024-06-01 03:00Z"))
    made.run(VERIFIED.format(START + 13 * HOUR, STOP + HOUR, "null", "2024-06-01 03:00Z"))
    time.sleep(A_MOMENT)
    try:
        for row in rows(made, RANGE):
            hour = (row["timestamp"] - START) // HOUR
            assert row["verified"] == (FIRST if hour < 10 else SECOND if hour < 12 else None)
        sums = [
            rows(made, {"group": "category", "start": start, "stop": START + hours * HOUR})[0]["verified"]
            for start, hours in ((START, 12), (START + 10 * HOUR, 12), (START, 13))
        ]
        assert sums == [FIRST, SECOND, None]
        made.covers((START + HOUR, MIDDLE))
        time.sleep(A_MOMENT)
        assert {row["verified"] for row in rows(made, {"start": START, "stop": START + HOUR})} == {None}
    finally:
        made.covers((START, MIDDLE), (STOP - HOUR, STOP + HOUR))
        made.run("DELETE FROM statscache_verification")


COUNTED = (
    "INSERT INTO statscache_version VALUES "
    "('volume-by-category-1h', {}, tstzmultirange(tstzrange(to_timestamp({}), to_timestamp({}))))"
)


def test_a_row_says_by_which_versions_it_was_counted(made: Hourly) -> None:
    """A window or a sum names each that has counted a second of it; what nobody noted is of the present one."""
    made.run("UPDATE statscache_plugin SET version = 3 WHERE ident = 'volume-by-category-1h'")
    made.run(COUNTED.format(1, 0, START + 10 * HOUR))
    made.run(COUNTED.format(2, START + 9 * HOUR, START + 12 * HOUR + 1))
    try:
        for row in rows(made, RANGE):
            hour = (row["timestamp"] - START) // HOUR
            versions = (
                [1]
                if hour < 9
                else [1, 2]
                if hour < 10
                else [2]
                if hour < 12
                else [2, 3]
                if hour < 13
                else [3]
            )
            assert row["versions"] == versions
        asked = ((0, 9, [1]), (9, 11, [1, 2]), (0, 13, [1, 2, 3]), (10, 12, [2]), (13, 20, [3]))
        for start, stop, versions in asked:
            query = {"start": START + start * HOUR, "stop": START + stop * HOUR}
            for more in ({"group": "category"}, {"group": "category", "top": 3}):
                assert {tuple(row["versions"]) for row in rows(made, query | more)} == {tuple(versions)}
        lines = made.web.get(f"{PATH}.csv", {**RANGE, "complete": 1}).body.decode().splitlines()
        assert {line.rpartition(",")[2] for line in lines} == {"versions", "1", "1 2", "2", "2 3", "3"}
        assert {tuple(row["versions"]) for row in rows(made, RANGE, "/api/volume-by-category-1d")} <= {(1,)}
    finally:
        made.run("DELETE FROM statscache_version")
        made.run("UPDATE statscache_plugin SET version = 1")


CHANGES = {
    "version": "UPDATE statscache_plugin SET version = 2 WHERE ident = 'volume-by-category-1h'",
    "an earlier version": COUNTED.format(1, START, START + HOUR),
    "more of it": "UPDATE statscache_version SET times = times "
    f"+ tstzmultirange(tstzrange(to_timestamp({START}), to_timestamp({START + 2 * HOUR})))",
    "verified": VERIFIED.format(START, STOP, "true", "2024-05-01 03:00Z"),
    "verified again": "UPDATE statscache_verification SET checked = '2024-06-01 03:00Z'",
    "coverage": "UPDATE statscache_coverage SET covered = covered - "
    f"tstzmultirange(tstzrange(to_timestamp({START}), to_timestamp({START + HOUR}))) "
    "WHERE plugin = 'volume-by-category-1h'",
    "late": "UPDATE statscache_coverage SET late = late + 1 WHERE plugin = 'volume-by-category-1h'",
    "quarantine": "WITH body AS (INSERT INTO statscache_quarantine_body VALUES ('bad', '{}')) "
    "INSERT INTO statscache_quarantine VALUES ('volume-by-category-1h', 'bad', 'topic', "
    f"to_timestamp({START + 3 * HOUR}), 'error', '', now(), now(), 1, NULL)",
    "another in its place": "UPDATE statscache_quarantine SET timestamp = "
    f"to_timestamp({START + 5 * HOUR}) WHERE msg_id = 'bad'",
    "removed": f"DELETE FROM data_volume_by_category_1h WHERE timestamp = to_timestamp({START + 7 * HOUR})",
}


@pytest.mark.slow
def test_whatever_changes_what_is_complete_changes_the_etag(server: Engine, tmp_path: Path) -> None:
    """And the answer; that of another table is the same."""
    query = {**RANGE, "order": "asc", "complete": 1}
    with hourly(server, tmp_path) as made:
        made.covers((START, STOP))
        other = made.web.get("/api/volume-by-category-1d", query).headers["ETag"]
        known = made.web.get(PATH, query)
        assert "Last-Modified" not in known.headers
        for what, change in CHANGES.items():
            assert made.web.get(PATH, query, If_None_Match=known.headers["ETag"]).status == 304
            made.run(change)
            time.sleep(A_MOMENT)
            after = made.web.get(PATH, query, If_None_Match=known.headers["ETag"])
            assert after.status == 200, what
            assert (after.body == known.body) == (what == "late"), what
            known = after
        assert made.web.get("/api/volume-by-category-1d", query, If_None_Match=other).status == 304
        incomplete = {row["timestamp"] for row in rows(made, RANGE) if not row["complete"]}
        assert incomplete == {START, START + 5 * HOUR}


PLUGIN = (
    IDLE
    + """
from datetime import timedelta
from statscache.plugins import CountingPlugin, counting_model


class Edits(CountingPlugin):
    name = summary = description = "edits"
    interval = timedelta(hours=1)
    model = counting_model("complete_edits", "edits", complete="a column that has this name")

    def process(self, message):
        pass


class Hours(CountingPlugin):
    name = summary = description = "hours"
    interval = timedelta(hours=1)
    model = counting_model("complete_hours", "hours", step="a step")

    def process(self, message):
        pass


plugins = [Edits, Hours]
"""
)


@pytest.fixture
def ask(server: Engine, tmp_path: Path) -> Iterator[Callable[..., list[Reply]]]:
    """Asks an API with plugins of somebody else's, in the version that is named first."""
    package = install(tmp_path / "installed", "completeauthors", PLUGIN, completeauthors="plugins")
    metadata = next(Path(package).glob("*/METADATA"))
    with new_database(server) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", package, prepend=os.pathsep)
        Place(tmp_path, url).write("none.jsonl", "")
        assert Place(tmp_path, url).run("replay", "none.jsonl")[0] == 0
        engine = create_engine(url)
        with engine.begin() as connection:
            for table in ("complete_edits", "complete_hours"):
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES (to_timestamp({START}), 'a', 3)")

        def ask(version: str, *asked: tuple[str, dict[str, Any]]) -> list[Reply]:
            metadata.write_text(f"Metadata-Version: 2.1\nName: completeauthors\nVersion: {version}\n")
            web = Server(tmp_path, url)
            replies = [web.get(path, query) for path, query in asked]
            assert web.end() == (0, "")
            return replies

        yield ask
        engine.dispose()


@pytest.mark.slow
def test_another_version_of_the_plugin_changes_the_etag(ask: Callable[..., list[Reply]]) -> None:
    """Where an answer says what is complete; a plain one is the same."""
    asked = ("/api/hours-1h", {}), ("/api/hours-1h", {"complete": 1})
    (plain, complete), (same, other) = (ask(version, *asked) for version in ("1.0", "2.0"))
    assert plain.headers["ETag"]
    assert plain.headers["ETag"] == same.headers["ETag"]
    assert complete.headers["ETag"] != other.headers["ETag"]


@pytest.mark.slow
def test_a_column_that_is_called_complete_stays_what_it_is(ask: Callable[..., list[Reply]]) -> None:
    """And a key that has the name of a parameter is asked for with a prefix."""
    edits, refused, days = ask(
        "1.0",
        ("/api/edits-1h", {"key.complete": "a"}),
        ("/api/edits-1h", {"complete": 1}),
        ("/api/hours-1h", {"step": "day", "group": "step", "key.step": "a", "complete": 1}),
    )
    assert edits.json == [{"timestamp": START, "complete": "a", "volume": 3}]
    assert "no parameter 'complete'" in refused.error
    zero = {"complete": False, "verified": None, "versions": [1]}
    assert days.json == [{"timestamp": START, "step": "a", "volume": 3, **zero}]


#: How many seconds before now each state of a log was announced, and whether it is known to be the latest, where the
#: last hour until two minutes ago and, before a gap of a minute, another hour were heard.
STATES = {
    "a moment ago": (60, False),
    "lately": (300, True),
    "before that": (3000, True),
    "in the gap": (3570, False),
    "before the gap": (5000, False),
}
LOG = "release-engineering-event-logs"


def states(made: Hourly, query: dict[str, Any]) -> dict[str, tuple[bool, list[int]]]:
    """Return whether each state is complete, and by which versions it was counted."""
    return {
        row["category_constraint"]: (row["complete"], row["versions"])
        for row in rows(made, query, f"/api/{LOG}")
    }


@pytest.mark.parametrize("query", [{}, {"category": "a"}, {"order": "asc"}, {"start": 1}])
def test_a_latest_state_is_complete_if_nothing_is_missing_since(query: dict[str, Any], made: Hourly) -> None:
    """But for the last ten minutes, and its own second is heard."""
    now = int(time.time())
    made.covers((now - 7200, now - 3600), (now - 3540, now - 120), plugin=LOG)
    for thing, (ago, _) in STATES.items():
        made.run(
            "INSERT INTO data_releng_dashboard VALUES ('a', :thing, to_timestamp(:when), 0, :thing, '{}')",
            thing=thing,
            when=now - ago,
        )
    try:
        time.sleep(A_MOMENT)
        assert states(made, query) == {thing: (whole, [1]) for thing, (_, whole) in STATES.items()}
    finally:
        made.run("DELETE FROM data_releng_dashboard")
        made.run("DELETE FROM statscache_removed")
