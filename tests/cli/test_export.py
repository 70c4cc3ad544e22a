"""`statscache export`: figures as files."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from sqlalchemy import Engine, text

from tests.support.figures import figures
from tests.support.place import ALL_ON, Place
from tests.support.web import Server

BY_CATEGORY = "volume-by-category"


@pytest.fixture(scope="module")
def filled(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    with figures(server, tmp_path_factory.mktemp("export")) as made:
        yield made


@pytest.fixture
def place(filled: tuple[Engine, Server], tmp_path: Path) -> Place:
    place = Place(tmp_path, filled[0].url.render_as_string(hide_password=False))
    place.configure({"statscache.plugins.enabled": ALL_ON})
    return place


def test_files_are_those_of_the_page(place: Place, filled: tuple[Engine, Server]) -> None:
    start = f"{datetime.now(UTC) - timedelta(days=9):%Y-%m-%d}"
    stop = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    query = {"start": start, "stop": stop, "step": "day", "tz": "Europe/Berlin", "top": "3"}
    options = [
        "--since",
        f"{start}T00:00Z",
        "--until",
        f"{stop}T00:00Z",
        "--step",
        "day",
        "--tz",
        "Europe/Berlin",
    ]
    for ending in ("csv", "json", "svg"):
        told = place.answer("export", BY_CATEGORY, *options, "--top", "3", "-o", f"file.{ending}")
        assert f"periods in file.{ending}. Not complete" in told
        page = filled[1].get(f"/view/{BY_CATEGORY}.{ending}", query).body
        assert (place.directory / f"file.{ending}").read_bytes() == page
    assert [path.name for path in place.directory.glob(".*.part")] == []


def test_parquet_has_every_row_and_whether_it_is_complete(
    place: Place, filled: tuple[Engine, Server]
) -> None:
    told = place.answer("export", BY_CATEGORY, "--windows", "1m", "-o", "rows.parquet")
    table = parquet.read_table(place.directory / "rows.parquet")
    query = """
    SELECT timestamp, category, volume, coalesce(complete @> tstzrange(timestamp, timestamp + '1 minute'), false)
    FROM data_volume_by_category_1m, statscache_freshness
    WHERE table_name = 'data_volume_by_category_1m' ORDER BY 1, 2
    """
    with filled[0].connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert [row[:4] for row in found] == rows
    assert {row[4:] for row in found} == {("volume-by-category-1m", "1")}
    assert {row[3] for row in found} == {True, False}
    assert told.startswith(f"{len(rows)} rows of data_volume_by_category_1m in rows.parquet")


def test_parquet_says_by_which_versions_each_row_was_counted(
    place: Place, filled: tuple[Engine, Server]
) -> None:
    """As statscache_version has them, where a plugin has had several."""
    since = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(days=10)
    noted = (
        "INSERT INTO statscache_version (plugin, version, times) VALUES "
        "('volume-by-category-1h', 7, tstzmultirange(tstzrange(NULL, :since)))"
    )
    with filled[0].begin() as connection:
        connection.execute(text(noted), {"since": since})
    place.answer("export", BY_CATEGORY, "--windows", "1h", "-o", "hours.parquet")
    with filled[0].begin() as connection:
        connection.execute(text("DELETE FROM statscache_version"))
    rows = parquet.read_table(place.directory / "hours.parquet").to_pylist()
    assert {row["versions"] for row in rows} == {"7", "1 7", "1"}
    for row in rows:
        begun, over = row["timestamp"] < since, row["timestamp"] + timedelta(hours=1) <= since
        assert row["versions"] == ("7" if over else "1 7" if begun else "1"), row


def test_keys_and_ranges_leave_rows_out(place: Place) -> None:
    place.answer("export", BY_CATEGORY, "--since", "2d", "--key", "category=git", "-o", "rows.parquet")
    table = parquet.read_table(place.directory / "rows.parquet").to_pylist()
    assert {row["category"] for row in table} == {"git"}
    assert min(row["timestamp"] for row in table) > datetime.now(UTC) - timedelta(days=2, minutes=16)
    place.answer("export", BY_CATEGORY, "--since", "2d", "--key", "category=git", "-o", "few.json")
    few: Any = json.loads((place.directory / "few.json").read_text())
    assert [line["key"] for line in few["lines"]] == ["git"]
    place.answer("export", BY_CATEGORY, "--since", "2d", "--by", "", "-o", "one.csv")
    rows = list(csv.DictReader((place.directory / "one.csv").open()))
    assert len({row["start"] for row in rows}) == len(rows)
    place.answer("export", "volume", "-o", "picture.svg")
    ET.parse(place.directory / "picture.svg")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["volum", "-o", "x.csv"], "did you mean volume?"),
        (["volume", "-o", "x.doc"], "-o must name a file that ends in one of .csv, .json, .svg, .parquet"),
        (["volume", "-o", "csv"], "-o must name a file"),
        (["volume", "-o", "no/x.csv"], "no/x.csv cannot be written: No such file or directory"),
        (["volume", "--by", "topic", "-o", "x.csv"], "--by must be a key of volume: none"),
        ([BY_CATEGORY, "--key", "topic=x", "-o", "x.csv"], "--key must be KEY=VALUE"),
        ([BY_CATEGORY, "--key", "category", "-o", "x.csv"], "--key must be KEY=VALUE"),
        ([BY_CATEGORY, "--windows", "7s", "-o", "x.parquet"], "--windows must be one of 1d, 1h, 1m, 15s, 1s"),
        (["volume", "--since", "1h", "--until", "2h", "-o", "x.csv"], "--since must be before --until"),
        (["volume"], "-o"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_sentence(place: Place, arguments: list[str], told: str) -> None:
    code, output, errors = place.run("export", *arguments)
    assert (code, output) == (2, "")
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_a_table_that_is_not_there_is_told(place: Place, filled: tuple[Engine, Server]) -> None:
    with filled[0].begin() as connection:
        connection.execute(text("ALTER TABLE data_volume_1s RENAME TO away"))
    try:
        code, _, errors = place.run("export", "volume", "-o", "x.parquet")
        assert (code, len(errors.splitlines())) == (2, 1), errors
        assert not list(place.directory.glob("*x.parquet*"))
    finally:
        with filled[0].begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO data_volume_1s"))
