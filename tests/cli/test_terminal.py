"""What commands print: tables in any width, JSON, and what cannot be written."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest
from rich.console import Console

from statscache.cli import main
from statscache.cli.show import BAR, table_of_rows
from statscache.cli.top import table_of_keys
from statscache.query.busiest import Busy, Top
from statscache.query.recent import Shown
from tests.support.commands import body, told
from tests.support.place import Place, lines


@pytest.mark.slow
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
    assert {row["plugin"] for row in held} == {
        f"volume-by-topic-{length}" for length in ("1s", "5s", "1m", "1h", "1d")
    }
    (shown,) = told(counted, "quarantine", "show", "2023-99", "--plugin", "volume-by-topic-1s")["failures"]
    assert shown == next(row for row in held if row["plugin"] == "volume-by-topic-1s")
    assert told(counted, "quarantine", "show", "2023-99")["message"]["msg_id"] == "2023-99"
    gaps = told(counted, "backfill", "--dry-run", "--since", "1h")
    assert [set(gap) for gap in gaps] == [{"from", "until", "plugins"}] * len(gaps) != []


@pytest.mark.slow
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
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, *names, name)
        else:
            yield (*names, name), command


def test_every_command_that_tells_something_has_json() -> None:
    """Three run until they are interrupted, one prints statements of SQL, and one a plan for a broker."""
    without = {
        " ".join(name)
        for name, command in _commands(main)
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"serve", "demo", "grant", "consume", "amqp-topology", "export", "publish"}


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
