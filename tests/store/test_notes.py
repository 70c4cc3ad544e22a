"""Notes that people write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import IntegrityError

from statscache.errors import Unstorable
from statscache.plugins import Note
from statscache.schema.tables import create_tables, find_misfits
from statscache.store.notes import NoteRow, add_note, remove_note, written_notes
from tests.support.sql import run, scalar

NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
RELEASE = Note(NOON, None, "release", "1.0 is out", "https://example.org/1.0")
OUTAGE = Note(NOON - timedelta(hours=3), NOON, "outage", "the database moves")


@pytest.fixture
def tables(engine: Engine) -> Engine:
    """An engine on a database with the table."""
    assert create_tables(engine, [NoteRow.__table__]) == {}  # type: ignore[list-item]
    return engine


def test_notes_are_added_listed_and_removed(tables: Engine) -> None:
    """In order of their start, each by its number, which no other gets again."""
    with tables.begin() as connection:
        release, outage = add_note(connection, RELEASE), add_note(connection, OUTAGE)
        assert list(written_notes(connection).items()) == [(outage, OUTAGE), (release, RELEASE)]
        assert remove_note(connection, release)
        assert not remove_note(connection, release)
        assert list(written_notes(connection)) == [outage]
        assert add_note(connection, RELEASE) not in (release, outage)


def test_a_note_is_tidied(tables: Engine) -> None:
    """It is about whole seconds, and its text is one line."""
    untidy = replace(RELEASE, start=NOON.replace(microsecond=7), text=" 1.0\tis\n out ")
    with tables.begin() as connection:
        add_note(connection, untidy)
        assert list(written_notes(connection).values()) == [RELEASE]


def test_what_cannot_be_kept_is_refused(tables: Engine) -> None:
    """Before anything is written."""
    with tables.begin() as connection, pytest.raises(Unstorable, match="must begin with http"):
        add_note(connection, replace(RELEASE, link="ftp://example.org"))
    assert scalar(tables, "SELECT count(*) FROM statscache_note") == 0


def test_who_writes_with_sql_is_held_to_the_same(tables: Engine) -> None:
    """A kind, a start and a text are enough; when it was written is noted."""
    columns = "INSERT INTO statscache_note (start, kind, text, link) VALUES "
    run(tables, columns + "(now(), 'other', 'by hand', NULL)")
    assert scalar(tables, "SELECT noted <= clock_timestamp() FROM statscache_note")
    for bad in ("(now(), 'x', 'x', NULL)", "(now(), 'other', '', NULL)", "(now(), 'other', 'x', 'data:x')"):
        with pytest.raises(IntegrityError):
            run(tables, columns + bad)


def test_the_table_explains_itself(tables: Engine) -> None:
    """It and its columns have comments, and it is as its model says."""
    inspector = inspect(tables)
    assert inspector.get_table_comment("statscache_note")["text"]
    columns = inspector.get_columns("statscache_note")
    assert [column["name"] for column in columns] == ["id", "start", "stop", "kind", "text", "link", "noted"]
    assert all(column["comment"] for column in columns)
    with tables.connect() as connection:
        assert find_misfits(connection, [NoteRow.__table__]) == {}  # type: ignore[list-item]
