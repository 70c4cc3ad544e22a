"""`statscache note` adds, lists and removes notes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from statscache.plugins.notes import KINDS
from statscache.schema.tables import create_tables
from statscache.store.notes import NoteRow
from tests.support.commands import told
from tests.support.place import Place, rows
from tests.support.terminal import in_terminal, plain


@pytest.fixture
def place(there: Place, engine: Engine) -> Iterator[Place]:
    """A place whose database has the table of notes."""
    create_tables(engine, [NoteRow.__table__])  # type: ignore[list-item]
    return there


@pytest.mark.slow
def test_notes_are_added_listed_and_removed(place: Place) -> None:
    """As a table, oldest first, and as JSON."""
    assert place.answer("note", "list") == "nobody has written a note\n"
    assert told(place, "note", "list") == []
    release = ("--at", "2024-05-31T12:00", "--kind", "release", "--link", "https://example.org/1.0")
    assert place.answer("note", "add", "1.0 is out", *release) == (
        "note 1 added: 2024-05-31 12:00:00 (UTC) 1.0 is out\n"
    )
    outage = ("--at", "2024-05-30 14:00", "--until", "2024-05-30 15:30", "--tz", "Europe/Berlin")
    assert told(place, "note", "add", " the  database moves", *outage, "--kind", "outage") == {
        "id": 2,
        "start": "2024-05-30T12:00:00Z",
        "stop": "2024-05-30T13:30:00Z",
        "kind": "outage",
        "text": "the database moves",
        "link": None,
    }
    titles, *listed = rows(place.answer("note", "list"))
    assert titles == ["id", "start (UTC)", "stop (UTC)", "kind", "text", "link"]
    assert listed == [
        ["2", "2024-05-30 12:00:00", "2024-05-30 13:30:00", "outage", "the database moves"],
        ["1", "2024-05-31 12:00:00", "release", "1.0 is out", "https://example.org/1.0"],
    ]
    assert "2024-05-30 14:00:00+02:00" in place.answer("note", "list", "--tz", "Europe/Berlin")
    assert [its["id"] for its in told(place, "note", "list")] == [2, 1]
    assert place.answer("note", "remove", "1") == "note 1 removed\n"
    assert told(place, "note", "remove", "2") == {"removed": 2}
    assert told(place, "note", "list") == []


def test_a_note_is_about_now_unless_it_says_otherwise(place: Place) -> None:
    """And of the kind other."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    added = told(place, "note", "add", "x")
    assert before <= datetime.fromisoformat(added["start"]) <= datetime.now(UTC)
    assert (added["stop"], added["kind"], added["link"]) == (None, "other", None)


BAD = {
    "add x --at rubbish": "--at must be like 2h, 7d or 2024-05-31T12:00, not 'rubbish'",
    "add x --until rubbish": "--until must be like 2h, 7d or 2024-05-31T12:00, not 'rubbish'",
    "add x --at 2024-05-31 --until 2024-05-30": "a note's start must not come after its stop",
    "add x --at 9999-12-31T12:00": "in the years 1 to 9999",
    "add x --link javascript:alert(1)": "a note's link must begin with http:// or https://",
    "add x --kind party": f"is not one of {', '.join(map(repr, KINDS))}",
    "add x --tz Nowhere/Else": "--tz must be a time zone of this machine",
    "add": "Missing argument 'TEXT'",
    "add " + "x" * 1001: "a note's text must have 1 to 1000 characters, and this has 1001",
    "remove 7": "there is no note 7: `statscache note list` lists all",
    "remove 99999999999999999999": "'ID'",
    "remove x": "'ID'",
}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_refused_in_one_line(arguments: str, place: Place) -> None:
    """Which says what is wrong; nothing is written."""
    code, output, errors = place.run("note", *arguments.split())
    assert (code, output) == (2, ""), errors
    assert re.fullmatch(r"statscache: \S[^\n]*\n", errors), errors
    assert BAD[arguments] in errors
    assert told(place, "note", "list") == []


def test_texts_that_are_none_are_refused(place: Place) -> None:
    """An empty one, and bytes that are not UTF-8."""
    for text, said in (("", "1 to 1000 characters"), ("a\udcffb", "lone surrogate")):
        code, output, errors = place.run("note", "add", text)
        assert (code, output) == (2, "")
        assert said in errors


@pytest.mark.parametrize("command", [("add", "x"), ("list",), ("remove", "1")])
def test_where_no_daemon_has_made_the_table_it_is_said(command: tuple[str, ...], there: Place) -> None:
    """What can be done about it, too."""
    code, output, errors = there.run("note", *command)
    assert (code, output) == (2, "")
    assert 'relation "statscache_note" does not exist (no daemon has run on this database yet' in errors


@pytest.mark.slow
def test_the_list_reads_well_in_a_narrow_terminal(place: Place) -> None:
    """A text is wrapped between words, and no character of it acts on the terminal."""
    place.answer("note", "add", "\x1b[31mred " + "word " * 30, "--kind", "outage")
    output = in_terminal(place, 80, "note", "list")
    assert "\x1b[31mred" not in output
    assert "\\x1b[31mred" in output
    assert all(len(line.rstrip()) <= 80 for line in plain(output).splitlines())
    assert json.loads(place.answer("note", "list", "--json"))[0]["text"].startswith("\x1b[31mred word")
