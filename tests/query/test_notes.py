"""The notes of a time, from all tables that have some."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, Table

from statscache.plugins import BasePlugin, Note, NoteModel
from statscache.query.notes import NotesWanted, newest_notes, note_tables, notes_between
from statscache.schema.tables import create_tables
from statscache.store.notes import NoteRow, add_note
from tests.support.sql import run

NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class HeardNote(NoteModel):
    """Notes of the bus."""

    __tablename__ = "test_heard_note"


class Heard(BasePlugin):
    """Writes notes."""

    name = summary = description = "heard"
    model = HeardNote


class Silent(BasePlugin):
    """Writes nothing."""

    name = summary = description = "silent"


TABLES: list[Table] = note_tables([Heard(None, {})])
HEARD = "INSERT INTO test_heard_note (key, timestamp, msg_id, start, stop, kind, text, link) VALUES "


@pytest.fixture
def tables(engine: Engine) -> Engine:
    """An engine on a database with both tables."""
    assert create_tables(engine, [NoteRow.__table__, *TABLES]) == {}  # type: ignore[list-item]
    return engine


def add(
    connection: Connection, text: str, hours: float, until: float | None = None, kind: str = "other"
) -> None:
    """Write a note so many hours after noon."""
    stop = None if until is None else NOON + until * HOUR
    add_note(connection, Note(NOON + hours * HOUR, stop, kind, text))


def texts(connection: Connection, start: float, stop: float, most: int = 200) -> str:
    """Return the texts of the notes between some hours after noon."""
    found = notes_between(connection, NOON + start * HOUR, NOON + stop * HOUR, TABLES, most)
    return "".join(note.text for note in found)


def test_each_plugin_s_table_counts_once() -> None:
    """And only those of notes."""
    assert note_tables([Heard(None, {}), Silent(None, {}), Heard(None, {})]) == [HeardNote.__table__]


def test_what_people_and_plugins_have_noted_is_one_list(tables: Engine) -> None:
    """In order of the start."""
    run(tables, f"{HEARD} ('k', now(), 'm', '2024-05-31 13:00Z', NULL, 'release', 'b', 'https://x.org/')")
    with tables.begin() as connection:
        add(connection, "c", 2)
        add(connection, "a", 0, 3, "outage")
        assert notes_between(connection, NOON, NOON + 3 * HOUR, TABLES) == [
            Note(NOON, NOON + 3 * HOUR, "outage", "a"),
            Note(NOON + HOUR, None, "release", "b", "https://x.org/"),
            Note(NOON + 2 * HOUR, None, "other", "c"),
        ]
        assert len(notes_between(connection, None, None, [])) == 2


def test_what_reaches_into_the_time_belongs_to_it(tables: Engine) -> None:
    """The start counts in, the end does not, as with windows; an instant is there where it is."""
    with tables.begin() as connection:
        add(connection, "a", 0)
        add(connection, "b", 1, 2)
        add(connection, "c", 3)
        assert texts(connection, 0, 3) == "ab"
        assert texts(connection, 0, 3.1) == "abc"
        assert texts(connection, 1.5, 3) == "b"
        assert texts(connection, 2, 3) == ""
        assert texts(connection, 0, 1) == "a"
        assert texts(connection, -5, 0) == ""


def test_what_matters_less_gives_way(tables: Engine) -> None:
    """Releases and outages stay, of all others the newest."""
    with tables.begin() as connection:
        for hours in range(5):
            add(connection, str(hours), hours)
        add(connection, "r", -2, None, "release")
        add(connection, "o", -1, None, "outage")
        assert texts(connection, -9, 9, 4) == "ro34"
        assert texts(connection, -9, 9, 1) == "o"
        newest = newest_notes(connection, TABLES, NotesWanted(most=3))
        assert [note.text for note in newest] == ["4", "3", "2"]
        kinds = newest_notes(connection, TABLES, NotesWanted(kinds=["release", "outage"]))
        assert [note.text for note in kinds] == ["o", "r"]


def test_a_table_that_is_not_there_has_no_notes(engine: Engine) -> None:
    """Where an older daemon has made the tables, or none, or the plugin has never run."""
    with engine.begin() as connection:
        assert notes_between(connection, None, None, TABLES) == []
        create_tables(engine, [NoteRow.__table__])  # type: ignore[list-item]
        add(connection, "a", 0)
        assert texts(connection, 0, 1) == "a"


def test_a_table_that_does_not_fit_takes_no_others_along(
    tables: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it."""
    run(tables, "ALTER TABLE test_heard_note DROP COLUMN link")
    with tables.begin() as connection, caplog.at_level(logging.WARNING):
        add(connection, "a", 0)
        assert texts(connection, 0, 1) == "a"
    assert "the notes in test_heard_note are left out" in caplog.text


def test_a_link_that_is_none_is_not_shown(tables: Engine) -> None:
    """Whoever has taken away what keeps it out."""
    run(tables, "ALTER TABLE test_heard_note DROP CONSTRAINT test_heard_note_link_check")
    run(tables, f"{HEARD} ('k', now(), 'm', '2024-05-31 12:00Z', NULL, 'other', 'x', 'javascript:alert(1)')")
    with tables.connect() as connection:
        assert notes_between(connection, None, None, TABLES) == [Note(NOON, None, "other", "x")]
