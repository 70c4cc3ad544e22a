"""`statscache replay`: messages from files."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support.commands import body
from tests.support.place import Place, lines
from tests.support.tables import assert_as_expected


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_real_messages_come_to_the_expected_tables(name: str, request: Any, capsys: Any) -> None:
    """With every plugin on, every cell of every table is what the oracle expects."""
    replayed = request.getfixturevalue(name)
    engine = create_engine(replayed.environment["STATSCACHE_SQLALCHEMY_URI"])
    assert_as_expected(engine, replayed.expected, capsys)
    engine.dispose()


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_the_outcome_of_a_replay_is_told(name: str, request: Any) -> None:
    """It ends with 0 and the figures; messages without a timestamp are named by the number of their line."""
    replayed = request.getfixturevalue(name)
    without = [n for n, line in enumerate(replayed.lines, 1) if "timestamp" not in line["message"]]
    counted = len(replayed.lines) - len(without)
    code, output, errors = replayed.outcome
    assert (code, output) == (
        0,
        f"{counted} messages counted, 0 known already, {len(without)} rejected, 0 bad lines\n",
    )
    assert [int(n) for n in re.findall(r"line (\d+): rejected, ", errors)] == without


def test_bad_lines_are_reported_by_number_and_the_rest_counts(there: Place, engine: Engine) -> None:
    """Lines that hold no message are named on standard error, all others count, and the exit code is 2."""
    first = there.write(
        "one.jsonl", lines(body(1), "{", "", "[]", {"message": body(2), "n": 7}, "null", body(3))
    )
    second = there.write("two.jsonl", lines("x", body(4), {**body(5), "timestamp": "soon"}).rstrip("\n"))
    code, output, errors = there.run("replay", first, second)
    assert (code, output) == (2, "4 messages counted, 0 known already, 1 rejected, 4 bad lines\n")
    named = [re.match(r"statscache: (\w+\.jsonl, line \d+): \S", line) for line in errors.splitlines()]
    assert [match and match[1] for match in named] == [
        *("one.jsonl, line 2", "one.jsonl, line 4", "one.jsonl, line 6"),
        *("two.jsonl, line 1", "two.jsonl, line 3"),
    ]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == 4


@pytest.mark.slow
def test_files_of_any_form_are_replayed(there: Place) -> None:
    """Pages of datagrepper and compressed files count as lines do, and so does standard input."""
    page = json.dumps({"raw_messages": [body(1), body(2)], "total": 2}, indent=1)
    there.write("pages.gz", gzip.compress((page * 2 + lines(body(3))).encode()))
    process = there.start("replay", "pages.gz", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _ = process.communicate(lines(body(4), body(3)), timeout=60)
    assert output == "4 messages counted, 3 known already, 0 rejected, 0 bad lines\n"
    there.write("cut.gz", gzip.compress(lines(body(4)).encode())[:-3])
    code, output, errors = there.run("replay", "cut.gz")
    assert (code, output) == (2, "0 messages counted, 1 known already, 0 rejected, 1 bad line\n")
    assert (
        errors == "statscache: cut.gz, line 2: its compressed content is cut off here: get the file again\n"
    )


def test_what_fedora_messaging_records_is_replayed(there: Place, engine: Engine) -> None:
    """Beside lines and pages of any other form; what does not say when it was sent is rejected with the reason."""
    pages = [{"raw_messages": [recorded(2), {**recorded(3), "queue": None, "priority": 0}]}]
    unusable = [{**recorded(4), "headers": {}}, {"topic": "a.b.c.d", "body": {}}]
    path = there.write(
        "mixed.jsonl", lines(recorded(1), body(7), *pages, {"message": recorded(5)}, *unusable)
    )
    code, output, errors = there.run("replay", path)
    assert (code, output) == (0, "5 messages counted, 0 known already, 2 rejected, 0 bad lines\n")
    assert errors.splitlines() == [
        "statscache: mixed.jsonl, line 5: rejected, no sent-at",
        "statscache: mixed.jsonl, line 6: rejected, no headers",
    ]
    with engine.connect() as connection:
        query = "SELECT category, volume FROM data_volume_by_category_1d WHERE category = 'anitya'"
        assert connection.execute(text(query)).all() == [("anitya", 4)]


def recorded(n: int) -> dict[str, Any]:
    """Return a message as `fedora-messaging record` writes it."""
    headers = {"fedora_messaging_schema": "base.message", "sent-at": f"2024-06-20T15:04:0{n}+00:00"}
    topic = "org.release-monitoring.prod.anitya.project.version.update"
    return {"body": {"n": n}, "headers": headers, "id": f"id-{n}", "queue": "q", "topic": topic}


def test_binary_rubbish_is_a_bad_line(there: Place) -> None:
    """A file of binary rubbish is one bad line, reported in one line, and the exit code is 2."""
    there.write("rubbish.bin", bytes(n for n in range(256) if n != 10) * 4)
    code, output, errors = there.run("replay", "rubbish.bin")
    assert (code, output) == (2, "0 messages counted, 0 known already, 0 rejected, 1 bad line\n")
    assert re.fullmatch(r"statscache: rubbish\.bin, line 1: not JSON [^\n]*\n", errors)
