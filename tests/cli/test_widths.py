"""What commands print reads well in any terminal: no identifier is broken, and colour says what is wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from statscache.settings import SETTINGS
from tests.support.commands import body
from tests.support.databases import new_database
from tests.support.place import ALL_ON, Place, lines
from tests.support.terminal import in_terminal, plain

pytestmark = pytest.mark.slow
WIDTHS = (80, 110, 160)
RED = "\x1b[31m"
LONG = "org.fedoraproject.prod.buildsys.package.list.change.of.some.very.long.name"
MSG_ID = "8d4f2c1e-7a35-4b0e-9f61-0c2d5b7a9e13"

ALWAYS = "tstzmultirange(tstzrange(now() - interval '1 day', now() + interval '1 day'))"


@pytest.fixture(scope="module")
def wide(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with every plugin on, long topics, a suspended plugin, a message in the quarantine, and gaps."""
    with new_database(server) as url:
        place = Place(tmp_path_factory.mktemp("wide"), url)
        place.configure(
            {"statscache.monitoring.address": "", "statscache.plugins.enabled": ALL_ON, "statscache.x": 1}
        )
        now = time.time()
        sent = [body(n, now - 7 * n, category) for n, category in enumerate(["bodhi", "git", "copr"] * 4)]
        sent += [{**body(50 + n, now - 60), "topic": LONG} for n in range(9)]
        sent.append(
            {**body(99, now), "topic": f"org.fedoraproject.prod.git.{'x' * 3000}", "msg_id": f"2023-{MSG_ID}"}
        )
        place.write("lines.jsonl", lines(*sent))
        place.answer("replay", "lines.jsonl")
        engine = create_engine(url)
        with engine.begin() as connection:
            row = "('volume-by-user-1m', now(), now() + interval '1 hour', 1, '20 in a row failed: ValueError: no')"
            connection.execute(text(f"INSERT INTO statscache_suspension VALUES {row}"))
            connection.execute(text("ALTER TABLE data_volume_by_package_5s DROP COLUMN package CASCADE"))
            connection.execute(
                text(f"UPDATE statscache_coverage SET covered = {ALWAYS} WHERE plugin = 'volume-1m'")
            )
        engine.dispose()
        yield place


def told(place: Place, *arguments: str) -> str:
    """Return what a command prints for programs."""
    return place.run(*arguments, "--json")[1]


#: For each command the identifiers that it must show whole.
COMMANDS = {
    "plugins": lambda place: [
        row[key] for row in json.loads(told(place, "plugins")) for key in ("ident", "tables")
    ],
    "status": lambda place: [row["plugin"] for row in json.loads(told(place, "status"))["plugins"]],
    "config": lambda place: list(SETTINGS),
    "show volume-by-topic-1m": lambda place: [LONG, "org.fedoraproject.prod.bodhi.update.comment"],
    "show volume-by-topic-1m --by topic": lambda place: [LONG],
    "top volume-by-topic-1m --once": lambda place: [LONG],
    "quarantine list": lambda place: [MSG_ID, "volume-by-topic-1s"],
    "backfill --dry-run --since 2h": lambda place: ["volume-by-user-1s", "volume-by-topic-5s"],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_identifier_is_broken(command: str, width: int, wide: Place) -> None:
    """Each stands on one line, and no line is longer than the terminal unless a single word is."""
    output = plain(in_terminal(wide, width, *command.split()))
    assert "Traceback" not in output
    for identifier in COMMANDS[command](wide):
        assert identifier in output, f"{identifier} is not in\n{output}"
    for line in output.splitlines():
        if line.startswith("ERROR "):
            continue  # a line of the log is one line
        words = line.rstrip().split()
        assert len(line.rstrip()) <= width or max(map(len, words)) > width - 10, line


def test_colour_says_what_is_wrong(wide: Place) -> None:
    """A plugin that is suspended, one that does not fit, an error and a count of failures."""
    output = in_terminal(wide, 160, "status")
    assert re.search(r"\x1b\[31mvolume-by-user-1m", output)
    output = in_terminal(wide, 160, "plugins")
    assert re.search(r"\x1b\[33msuspended: ", output)
    assert re.search(r"\x1b\[31mdisabled: ", output)
    assert RED in in_terminal(wide, 160, "quarantine", "list")
    assert in_terminal(wide, 80, "show", "nothing").startswith(f"{RED}statscache:")


def test_show_says_its_zone_and_the_keys(wide: Place) -> None:
    """Keys are there without being asked for, summed up where they are, and instants in the zone of choice."""
    assert wide.answer("show", "volume-by-category-1d").split()[:4] == [
        "timestamp",
        "(UTC)",
        "category",
        "volume",
    ]
    assert wide.answer("show", "volume-by-category-1d", "--by", "timestamp").split()[:3] == [
        *("timestamp", "(UTC)", "volume")
    ]
    berlin = ("--tz", "Europe/Berlin")
    listed = wide.answer("show", "volume-by-category-1d", *berlin)
    assert "timestamp (Europe/Berlin)" in listed
    assert re.search(r"^20..-..-.. 0[12]:00:00\+0[12]:00 ", listed, re.MULTILINE)
    csv = wide.answer("show", "volume-by-category-1d", "--csv").splitlines()
    assert csv[0] == "timestamp,category,volume"
    assert re.fullmatch(r"20..-..-..T00:00:00Z,\w+,\d+", csv[1])
    start = csv[1][:10]
    assert (
        wide.answer("show", "volume-by-category-1d", "--csv", "--until", start)
        == "timestamp,category,volume\n"
    )
    assert len(
        wide.answer("show", "volume-by-category-1d", "--csv", "--since", start, *berlin).splitlines()
    ) == len(csv)
    for wrong, said in (("--tz Nowhere/Else", "--tz must be a time zone"), ("--csv --json", "choose one")):
        code, output, errors = wide.run("show", "volume-by-category-1d", *wrong.split())
        assert (code, output) == (2, "")
        assert said in errors
