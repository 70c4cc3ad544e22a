"""On tables with partitions every command, the API and the page say the same as on whole ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from statscache.instants import write_second
from tests.support.commands import told
from tests.support.databases import new_database
from tests.support.place import ALL_ON, Place, lines
from tests.support.recounting import HOURS, START, body, dump
from tests.support.roles import Roles
from tests.support.sql import run, scalar
from tests.support.web import Server
from tests.system.datagrepper import Archive

pytestmark = pytest.mark.slow

SINCE, UNTIL = write_second(START), write_second(HOURS.stop)
RANGE = ("--since", SINCE, "--until", UNTIL)
#: All that can be partitioned is, and nothing is old enough to go.
KEEP = dict.fromkeys(("1s", "2s", "5s", "15s", "1m", "5m", "10m", "15m", "30m"), "20000d")
PARTED = "SELECT relname FROM pg_class WHERE relkind = 'p' AND relname LIKE 'data%' ORDER BY relname"
CATEGORIES = ("bodhi", "git", "copr", "wiki")


@dataclass
class Counted:
    """A place whose database has counted two hours."""

    place: Place
    engine: Engine
    web: Server


def message(number: int) -> dict[str, Any]:
    topic = f"org.fedoraproject.prod.{CATEGORIES[number % 4]}.update.comment"
    return {**body(number), "topic": topic, "msg": {"n": number, "agent": f"user{number % 5}"}}


def settings(archive: Archive, directory: Path, **more: Any) -> dict[str, Any]:
    return {
        "statscache.datagrepper.endpoint": archive.url,
        "statscache.consumer.epoch": START,
        "statscache.spool.directory": str(directory / "spool"),
        "statscache.plugins.enabled": ALL_ON,
        "statscache.monitoring.address": "",
        **more,
    }


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    """An archive that has the two hours."""
    archive = Archive([message(number) for number in range(720)])
    yield archive
    archive.close()


@pytest.fixture(scope="module")
def make(
    server: Engine, archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Counted]]:
    """Makes such places: with whole tables, with such as are created with partitions, and with upgraded ones."""
    ended: list[Callable[[], object]] = []

    def made(kind: str) -> Counted:
        database = new_database(server)
        url = database.__enter__()
        place = Place(tmp_path_factory.mktemp(kind), url)
        place.patience = 240.0
        kept = {"statscache.keep": KEEP}
        place.configure(settings(archive, place.directory, **(kept if kind == "created" else {})))
        place.answer(
            "replay", place.write("all.jsonl", lines(*map(message, range(720)))), "--covers", SINCE, UNTIL
        )
        if kind == "upgraded":
            place.configure(settings(archive, place.directory, **kept))
            assert "becomes the oldest partition of a table in its place" in place.answer("upgrade")
            assert place.answer("upgrade") == "nothing is left to upgrade\n"
        web = Server(tmp_path_factory.mktemp("web"), url, plugins__enabled=ALL_ON)
        engine = create_engine(url)
        ended.extend([lambda: database.__exit__(None, None, None), engine.dispose, web.end])
        return Counted(place, engine, web)

    yield made
    while ended:
        ended.pop()()


@pytest.fixture(scope="module")
def whole(make: Callable[..., Counted]) -> Counted:
    """One with whole tables."""
    return make("whole")


@pytest.fixture(scope="module", params=["created", "upgraded"])
def parted(make: Callable[..., Counted], request: pytest.FixtureRequest) -> Counted:
    """One with partitions."""
    return make(request.param)


def test_the_rows_are_the_same(whole: Counted, parted: Counted) -> None:
    """And all tables with short windows have partitions."""
    assert tables(parted.engine) == tables(whole.engine)
    with parted.engine.connect() as connection:
        names = connection.scalars(text(PARTED)).all()
    assert {"data_volume_1s", "data_volume_1m", "data_volume_by_category_1m"} <= {*names}
    assert scalar(whole.engine, f"SELECT count(*) FROM ({PARTED}) AS its") == 0


def tables(engine: Engine) -> Any:
    """Return the rows of all tables of plugins, without those of partitions on their own."""
    partitions = "SELECT relname FROM pg_class WHERE relispartition"
    with engine.connect() as connection:
        parts = set(connection.scalars(text(partitions)))
    return {name: its for name, its in dump(engine).items() if name.startswith("data") and name not in parts}


@pytest.mark.parametrize(
    "command",
    [
        ("show", "volume-1m", *RANGE, "--json"),
        ("show", "volume-1s", "--by", "timestamp", "--top", "30", *RANGE, "--json"),
        ("show", "volume-by-user-1m", "--by", "username", *RANGE, "--json"),
        ("verify", *RANGE),
        ("verify", "--plugin", "volume-by-category-1s", "--sample", "100", "--seed", "1", *RANGE),
        ("plugins",),
    ],
)
def test_commands_say_the_same(command: tuple[str, ...], whole: Counted, parted: Counted) -> None:
    """Word for word."""
    assert words(parted.place.answer(*command)) == words(whole.place.answer(*command))
    for its in (whole, parted):  # else figures say when each was verified
        run(its.engine, "DELETE FROM statscache_verification")


def words(output: str) -> str:
    """Return what a command says, without how long it took and the room that columns take."""
    return re.sub(r"[ ─-]{2,}", " ", re.sub(r"\d+(\.\d+)? m?s\b", "T", output))


@pytest.mark.parametrize("name", ["volume.csv", "volume-by-category.json"])
def test_files_are_the_same(name: str, whole: Counted, parted: Counted) -> None:
    """Byte for byte."""
    files = []
    for its in (whole, parted):
        its.place.answer("export", name.partition(".")[0], *RANGE, "--step", "hour", "-o", name)
        files.append((its.place.directory / name).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("ident", ["volume-1s", "volume-by-category-1m"])
@pytest.mark.parametrize(
    "query",
    [
        {"rows_per_page": 100},
        {"rows_per_page": 7, "order": "asc", "page": 3},
        {"step": "hour", "tz": "Europe/Berlin"},
        {"group": "timestamp"},
        {"top": 3},
        {"complete": 1, "order": "asc"},
    ],
)
def test_the_api_answers_the_same(query: dict[str, Any], ident: str, whole: Counted, parted: Counted) -> None:
    """With the same headers, but for those that name a server or an instant."""
    asked = {"start": START, "stop": HOURS.stop, **query}
    replies = [its.web.get(f"/api/{ident}", asked) for its in (whole, parted)]
    assert (replies[1].status, replies[1].json) == (replies[0].status, replies[0].json)
    for name in ("Content-Type", "Cache-Control", "Statscache-Complete"):
        assert replies[1].headers.get(name) == replies[0].headers.get(name)


@pytest.mark.parametrize("name", ["volume.json", "volume-by-user.csv", "volume-by-category.svg"])
def test_the_page_is_the_same(name: str, whole: Counted, parted: Counted) -> None:
    """With its table and its drawing."""
    asked = {"start": SINCE, "stop": UNTIL, "step": "hour"}
    replies = [its.web.get(f"/view/{name}", asked) for its in (whole, parted)]
    assert replies[0].status == 200
    assert replies[1].body == replies[0].body


def test_functions_give_the_same(whole: Counted, parted: Counted) -> None:
    """Series and top keys, and what the view says of each table."""
    ends = f"'{SINCE}', '{UNTIL}'"
    for query in (
        f"SELECT * FROM data_volume_1m_series({ends})",
        f"SELECT * FROM data_volume_by_category_1m_top({ends}, 3)",
        "SELECT table_name, complete::text, not_kept::text, removed::text FROM statscache_freshness ORDER BY 1",
    ):
        results = []
        for its in (whole, parted):
            with its.engine.connect() as connection:
                results.append(connection.execute(text(query)).all())
        assert results[0], query
        assert results[1] == results[0], query


def lengths(its: Counted) -> dict[str, int]:
    """Return how many lines the files with figures have that are published."""
    its.place.answer("publish", "site")
    site = its.place.directory / "site"
    return {str(path.relative_to(site)): len(path.read_bytes().splitlines()) for path in site.rglob("*.csv")}


@pytest.fixture(scope="module")
def published(whole: Counted) -> dict[str, int]:
    """Those of whole tables."""
    return lengths(whole)


def test_the_site_has_the_same_files(published: dict[str, int], parted: Counted) -> None:
    """With as many figures in each."""
    assert len(published) > 10
    assert lengths(parted) == published


def test_the_disk_is_told_of_each_table_with_its_partitions(whole: Counted, parted: Counted) -> None:
    """Of the same tables; the number of partitions is that of the catalogue."""
    found = [
        {its["table"]: its for its in told(each.place, "status", "--disk")["tables"]}
        for each in (whole, parted)
    ]
    assert {*found[0]} == {*found[1]}
    for name in ("data_volume_1s", "data_volume_by_category_1m"):
        number = scalar(
            parted.engine, f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{name}'::regclass"
        )
        assert (found[0][name]["partitions"], found[1][name]["partitions"]) == (0, number)
        assert found[1][name]["bytes"] > 0


def test_a_role_reads_the_table_and_needs_no_right_on_partitions(parted: Counted) -> None:
    """By `statscache grant`; and so it may call the functions."""
    roles = Roles(parted.engine)
    try:
        name = roles.make("reader")
        parted.place.run("grant", name)
        reader = create_engine(roles.url(name))
        assert scalar(reader, "SELECT sum(volume) FROM data_volume_1s") == 720
        assert scalar(reader, f"SELECT count(*) FROM data_volume_1m_series('{SINCE}', '{UNTIL}')") == 120
        reader.dispose()
    finally:
        roles.drop()


def test_what_is_wrong_is_found_and_counted_again(parted: Counted, whole: Counted) -> None:
    """By `verify` and `backfill --rebuild`; afterwards all rows are as before."""
    change = f"UPDATE data_volume_1m SET volume = 7 WHERE timestamp = to_timestamp({START + 1800})"
    run(parted.engine, change)
    code, output, _ = parted.place.run("verify", "--plugin", "volume-1m", *RANGE, "--json")
    assert (code, json.loads(output)["tables"][0]["differing"]) == (1, 1)
    code, output, errors = parted.place.run("backfill", "--rebuild", *RANGE, "--json")
    assert (code, json.loads(output)["differing"]) == (0, 1), errors
    assert tables(parted.engine) == tables(whole.engine)
    assert "nothing differs" in parted.place.answer("verify", *RANGE)
