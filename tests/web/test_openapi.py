"""The HTTP API does what its description says: schemathesis asks, with every check it has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from statscache.demo.traffic import traffic
from statscache.hosting.loader import load
from statscache.query.tables import served
from statscache.settings import read_settings
from statscache.web.openapi import describe
from tests.support.shared import SHARED, read_lines
from tests.support.web import Server, filled

#: One of each kind: without keys, with keys, first times, a log, and what is not a table.
KINDS = (
    r"^/api/(|openapi\.json|notes|volume-1m|volume-by-category-1h|newcomers|"
    r"release-engineering-event-logs(/layout)?)$"
)


@pytest.fixture(scope="module")
def web(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API on the tables of real messages, of made-up ones where there are none."""
    shared = SHARED / "data" / "derived.jsonl"
    messages = [line["message"] for line in read_lines(shared)] if shared.exists() else []
    stream = traffic(1, 1_700_000_000, 1.0)
    messages += [next(stream) for _ in range(500)]
    with filled(server, tmp_path_factory.mktemp("openapi"), *messages) as (_, web):
        yield web


@pytest.mark.slow
def test_schemathesis_finds_nothing_wrong(web: Server, tmp_path: Path) -> None:
    """Whatever the description allows is answered as it says, and whatever it does not allow is refused."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"http://127.0.0.1:{web.port}/api/openapi.json",
    ]
    options = ["--checks=all", "--max-examples=8", "--seed=1", "--continue-on-failure", "--no-color"]
    options += ["--exclude-checks=positive_data_acceptance"]  # in its place is tests.support.acceptance
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*command, *options, "--phases=coverage,fuzzing", "--include-path-regex", KINDS],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.acceptance", "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    report = "\n".join(line[:300] for line in done.stdout.splitlines()[-60:])
    assert done.returncode == 0, report
    assert "Tested: 8" in report


def test_every_plugin_is_described(web: Server) -> None:
    """Each ident has a path, with the filters and columns of its own table."""
    description = web.get("/api/openapi.json").json
    for ident in web.get("/api/").json:
        get = description["paths"][f"/api/{ident}"]["get"]
        row = get["responses"]["200"]["content"]["application/json"]["schema"]["items"]
        rows = row.get("anyOf", [row])
        names = {each["name"] for each in get["parameters"]}
        for found in web.rows(f"/api/{ident}"):
            assert list(found) == list(rows[0]["properties"])
            assert ("category" in found) == ("category" in names)
        assert ("group" in names) == bool({"volume", "first"} & set(rows[0]["properties"]))


def test_no_description_at_all_is_a_description_too() -> None:
    """Without plugins there are the index, what people have noted, and the description."""
    assert list(describe({})["paths"]) == ["/api/", "/api/notes", "/api/openapi.json"]


def test_the_description_does_not_need_a_database() -> None:
    """It follows from the plugins alone."""
    config = {"statscache.sqlalchemy.uri": "postgresql://nobody@127.0.0.1:1/nothing"}
    paths = describe(served(load(read_settings(config, {}), config)))["paths"]
    assert "/api/release-engineering-event-logs/layout" in paths
    assert "/api/volume-1s/layout" not in paths
