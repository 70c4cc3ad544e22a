"""`statscache status` and `top`, and what commands print as JSON."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console
from sqlalchemy import Engine, text

from statscache.cli import main
from statscache.cli.show import BAR, table_of_rows
from statscache.cli.top import table_of_keys
from statscache.daemon import Daemon
from statscache.query.busiest import Busy, Top
from statscache.query.recent import Shown
from tests.conftest import new_database
from tests.hub import wait_for
from tests.place import Place, lines
from tests.test_cli import NOWHERE, body, rows
from tests.test_health import address  # noqa: F401  a fixture


def make_busy(place: Place) -> Place:
    """Count three categories just now, where no daemon runs."""
    now = time.time()
    some = {"bodhi": 3, "copr": 2, "git": 1}
    sent = [(category, number) for category, count in some.items() for number in range(count)]
    bodies = [body(place, now - 70 * number, category) for place, (category, number) in enumerate(sent)]
    bodies.append({**body(99, now), "topic": f"org.fedoraproject.prod.bodhi.{'x' * 3000}"})
    place.configure({"statscache.monitoring.address": "", "statscache.plugins.enabled": ["volume_by_topic"]})
    place.write("lines.jsonl", lines(*bodies))
    place.answer("replay", "lines.jsonl")
    return place


@pytest.fixture
def busy(there: Place) -> Place:
    """A place whose database has counted three categories just now."""
    return make_busy(there)


@pytest.fixture(scope="module")
def counted(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same for all tests that only look."""
    with new_database(server) as url:
        yield make_busy(Place(tmp_path_factory.mktemp("counted"), url))


def told(place: Place, *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(place.answer(*arguments, "--json"))


def test_commands_that_print_tables_print_them_as_json_too(counted: Place) -> None:
    """With the same names, instants in ISO 8601, and numbers as numbers."""
    listed = {plugin["ident"]: plugin for plugin in told(counted, "plugins")}
    assert listed["volume-1m"]["tables"] == "data_volume_1m"
    assert told(counted, "show", "volume-by-category-1h", "--by", "category") == [
        {"category": "bodhi", "volume": 4},
        {"category": "copr", "volume": 2},
        {"category": "git", "volume": 1},
    ]
    (newest, *_) = told(counted, "show", "volume-1s", "--top", "1")
    assert datetime.fromisoformat(newest["timestamp"]).utcoffset() == timedelta(0)
    held = told(counted, "quarantine", "list")
    assert {row["plugin"] for row in held} == {f"volume-by-topic-{length}" for length in ("1s", "5s", "1m")}
    (shown,) = told(counted, "quarantine", "show", "2023-99", "--plugin", "volume-by-topic-1s")["failures"]
    assert shown == next(row for row in held if row["plugin"] == "volume-by-topic-1s")
    assert told(counted, "quarantine", "show", "2023-99")["message"]["msg_id"] == "2023-99"
    gaps = told(counted, "backfill", "--dry-run", "--since", "1h")
    assert [set(gap) for gap in gaps] == [{"from", "until", "plugins"}] * len(gaps) != []


def test_what_commands_do_comes_as_json_too(there: Place) -> None:
    """Where there is no table, what became of it."""
    broken = {**body(1), "topic": f"org.fedoraproject.prod.bodhi.{'x' * 3000}"}
    there.configure({"statscache.plugins.enabled": ["volume_by_topic"]})
    there.write("lines.jsonl", f"{lines(body(0), broken)}rubbish\n")
    code, output, _ = there.run("replay", "lines.jsonl", "--json")
    counts = {"counted": 2, "known": 0, "rejected": 0, "bad_lines": 1}
    assert (code, json.loads(output)) == (2, {**counts, "covered": None})
    there.write("lines.jsonl", lines(body(0), broken))
    covers = {"start": "2023-11-01T00:00:00Z", "stop": "2023-12-01T00:00:00Z"}
    found = told(there, "replay", "lines.jsonl", "--covers", "2023-11-01", "2023-12-01")
    assert found == {"counted": 0, "known": 2, "rejected": 0, "bad_lines": 0, "covered": covers}
    one = ("--plugin", "volume-by-topic-1s")
    assert told(there, "quarantine", "retry", *one) == {"tried": 1, "counted": 0}
    assert told(there, "quarantine", "drop", *one) == {"dropped": 1}
    assert told(there, "uri")["uri"] == there.answer("uri").strip()


def _commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *names, name)
        else:
            yield (*names, name), command


def test_every_command_that_tells_something_has_json() -> None:
    """Two serve or play until they are interrupted, and one prints statements of SQL."""
    without = {
        " ".join(name)
        for name, command in _commands(main)
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"serve", "demo", "grant"}


def test_show_knows_the_parts_of_a_plugin(counted: Place) -> None:
    """A part is shown by its own ident, as the table that it shares."""
    assert told(counted, "show", "release-engineering-event-logs/compose") == []


def test_top_lists_the_busiest_keys_of_the_last_windows(counted: Place) -> None:
    """The busiest first, each with its count in every window, the present one last."""
    found = told(counted, "top")
    assert [(row["category"], row["volume"]) for row in found["rows"]] == [
        ("bodhi", 4),
        ("copr", 2),
        ("git", 1),
    ]
    assert all(sum(row["volumes"]) == row["volume"] for row in found["rows"])
    assert len(found["windows"]) == len(found["rows"][0]["volumes"]) == 15
    assert (
        told(counted, "top", "volume-by-category-1d", "--keys", "1", "--windows", "2")["rows"]
        == [{"category": "bodhi", "volume": 4, "volumes": [0, 4]}]
        or datetime.now(UTC).hour == 0
    )
    title, titles, *listed = rows(counted.answer("top", "--once"))
    assert title[0].startswith("volume-by-category-1m, ")
    assert titles[:4] == ["category", "now", "before", "15 x 1m"]
    assert [row[0] for row in listed] == ["bodhi", "copr", "git"]


def test_top_goes_on_until_it_is_interrupted(busy: Place) -> None:
    """On a terminal it looks again and again, shows what is new, and ends with 0 on Ctrl-C."""
    master, slave = pty.openpty()
    with closing(os.fdopen(master, "rb", buffering=0)) as terminal:
        process = busy.start("top", "--every", "0.2", stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        seen = ""

        def sees(word: str) -> bool:
            nonlocal seen
            seen += terminal.read(65536).decode(errors="replace")
            return word in seen

        wait_for("the busiest", lambda: sees("bodhi"))
        busy.write("more.jsonl", lines(body(100, time.time(), "anitya")))
        busy.answer("replay", "more.jsonl")
        wait_for("what is new", lambda: sees("anitya"))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "Traceback" not in seen


def test_in_a_narrow_terminal_bars_give_way_and_keys_do_not() -> None:
    """What can be read is there at 40 columns, and at 10,000 all bars are whole."""
    now = datetime(2024, 5, 31, 12, tzinfo=UTC)
    windows = [now - timedelta(minutes=back) for back in reversed(range(15))]
    busy = Top("x", ["category"], "1m", now, windows, [Busy(("buildsys",), list(range(15)))])
    for table, whole in (
        (table_of_rows(Shown(["category", "volume"], [("buildsys", 530)], bars=True)), "█" * BAR),
        (table_of_keys(busy), "▁▂▂▃▃▄▄▅▆▆▇▇██"),
    ):
        for width in (40, 10_000):
            terminal = Console(width=width, file=io.StringIO())
            terminal.print(table)
            output = terminal.file.getvalue()  # type: ignore[attr-defined]
            assert re.search("^buildsys +[0-9]", output, re.MULTILINE)
            assert (whole in output) == (width > 40)


def test_an_output_that_is_full_is_told_in_one_line(counted: Place) -> None:
    """Where nothing more can be written, no traceback is."""
    for arguments in (["plugins", "--json"], ["status"]):
        with open("/dev/full", "wb") as full:
            process = counted.start(*arguments, stdout=full, stderr=subprocess.PIPE)
            errors = process.communicate(timeout=30)[1]
        assert process.returncode == 2
        assert errors == "statscache: the output cannot be written: No space left on device\n"


def status(place: Place) -> tuple[int, str]:
    """Return the exit code of `statscache status`, and what it prints."""
    code, output, errors = place.run("status")
    assert errors == ""
    return code, output


def test_status_tells_of_each_plugin_and_of_what_is_wrong(busy: Place, engine: Engine) -> None:
    """From the database alone: a plugin that failed or is suspended degrades, and a daemon that is silent is none."""
    code, output = status(busy)
    assert (code, output.splitlines()[0]) == (1, "degraded")
    assert re.search(r"^  volume-by-topic-1s fails, the last time \d+ s ago$", output, re.MULTILINE)
    assert re.search(r"^quarantine  3 messages *$", output, re.MULTILINE)
    assert re.search(r"^volume-by-topic-5s .* 1 ", output, re.MULTILINE)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO statscache_suspension VALUES ('volume-1m', now(), now() + interval '1 hour', 1, 'slow');"
                "UPDATE statscache_coverage SET updated = now() - interval '1 hour'"
            )
        )
    code, output = status(busy)
    assert (code, output.splitlines()[0]) == (2, "not working")
    assert re.search(r"no daemon has written for 36\d\d s: is fedmsg-hub running\?", output)
    assert "volume-1m has been suspended: slow" in output


def test_status_without_a_database_says_so_soon(place_nowhere: Place) -> None:
    """What cannot be asked is not known."""
    before = time.monotonic()
    code, output = status(place_nowhere)
    assert time.monotonic() - before < 10
    assert code == 2
    assert "no daemon answers at 127.0.0.1:1 (Connection refused): is fedmsg-hub running?" in output
    assert "the database of STATSCACHE_SQLALCHEMY_URI" in output
    assert re.search(r"^gaps +not known", output, re.MULTILINE)


@pytest.fixture
def place_nowhere(tmp_path: Path) -> Place:
    """A place where neither a daemon nor a database is."""
    place = Place(tmp_path, NOWHERE)
    place.configure({"statscache.monitoring.address": "127.0.0.1:1"})
    return place


def test_something_else_that_listens_there_is_no_daemon(place_nowhere: Place, address: str) -> None:  # noqa: F811
    """What does not speak as a daemon does is not taken for one, and one that says nothing is not waited for."""
    place_nowhere.configure({"statscache.monitoring.address": address})
    host, port = address.split(":")
    with socket.create_server((host, int(port))) as silent:
        assert f"no daemon answers at {address} (timed out)" in status(place_nowhere)[1]
        silent.settimeout(0)


def test_a_census_looks_only_at_the_plugins_that_run(daemon: Daemon) -> None:
    """What the database holds of others is not this daemon's."""
    daemon.upkeep.keep_up()
    assert set(daemon.inventory.latest.plugins) == daemon.writer.plugins
    assert all(one.gap_seconds == 0 for one in daemon.inventory.latest.plugins.values())
