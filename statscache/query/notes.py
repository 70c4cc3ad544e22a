"""The notes that charts show beside figures: what people have written, and what plugins took from the bus."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Subquery, Table, or_, select, text, union_all

from statscache.plugins import BasePlugin, Note, NoteModel
from statscache.plugins.notes import KINDS, is_link
from statscache.query.columns import column_of
from statscache.store.notes import NoteRow

log = logging.getLogger(__name__)

#: So many notes are given at most where nobody says how many.
MOST = 200
WRITTEN: Any = NoteRow.__table__
#: The columns of a note, for who gives it as a row.
COLUMNS = tuple(column_of(WRITTEN.c[name]) for name in ("start", "stop", "kind", "text", "link"))
#: Whether tables are there, and have all columns of a note.
THERE = text("""
SELECT name, (
    SELECT count(*) = 5 FROM pg_attribute WHERE attrelid = to_regclass(quoted) AND NOT attisdropped
    AND (attname, format_type(atttypid, NULL)) IN (('start', 'timestamp with time zone'),
        ('stop', 'timestamp with time zone'), ('kind', 'text'), ('text', 'text'), ('link', 'text'))
)
FROM unnest(CAST(:names AS text[]), CAST(:quoted AS text[])) AS given (name, quoted)
WHERE to_regclass(quoted) IS NOT NULL
""")


@dataclass(frozen=True)
class NotesWanted:
    """Which notes are wanted.

    :param start: leave out what was over before; None for nothing
    :param stop: leave out what starts at this instant or later; None for nothing
    :param kinds: only these
    :param most: how many
    """

    start: datetime | None = None
    stop: datetime | None = None
    kinds: Collection[str] = KINDS
    most: int = MOST

    def of(self, table: Table) -> Select[Any]:
        """Return what selects those of a table."""
        notes = select(*(table.c[column.name] for column in COLUMNS))
        if set(self.kinds) != set(KINDS):
            notes = notes.where(table.c.kind.in_(self.kinds))
        if self.start is not None:
            notes = notes.where(or_(table.c.start >= self.start, table.c.stop > self.start))
        return notes if self.stop is None else notes.where(table.c.start < self.stop)


def note_tables(plugins: Iterable[BasePlugin]) -> list[Table]:
    """Return the tables in which plugins keep notes."""
    models = dict.fromkeys(plugin.model for plugin in plugins)
    return [its.__table__ for its in models if isinstance(its, type) and issubclass(its, NoteModel)]  # type: ignore[misc]


def notes_between(
    connection: Connection,
    start: datetime | None,
    stop: datetime | None,
    tables: Collection[Table],
    most: int = MOST,
) -> list[Note]:
    """Return what a chart of a time should show of notes, in order of their start.

    Where there are more than `most`, what is neither a release nor an outage is left out first, then what is older.

    :param start: leave out what was over before; None for nothing
    :param stop: leave out what starts at this instant or later; None for nothing
    :param tables: those of plugins, as `note_tables` gives them; one that is not there has none
    """
    found = _read(connection, tables, NotesWanted(start, stop, most=most), important_first=True)
    return sorted(found, key=lambda note: (note.start, note.text))


def newest_notes(connection: Connection, tables: Collection[Table], wanted: NotesWanted) -> list[Note]:
    """Return notes, that with the latest start first.

    :param tables: as for `notes_between`
    """
    return _read(connection, tables, wanted, important_first=False)


def _read(
    connection: Connection, tables: Collection[Table], wanted: NotesWanted, important_first: bool
) -> list[Note]:
    notes = _all(connection, tables, wanted)
    if notes is None:
        return []
    order = [notes.c.start.desc(), *(notes.c[name].asc() for name in ("text", "kind", "stop", "link"))]
    if important_first:
        order.insert(0, notes.c.kind.not_in(("release", "outage")).asc())
    rows = connection.execute(select(*notes.c).order_by(*order).limit(wanted.most))
    return [_note(*row) for row in rows]


def _all(connection: Connection, tables: Collection[Table], wanted: NotesWanted) -> Subquery | None:
    """Return all notes that are wanted as a table, None if there is no table of notes."""
    there = _fitting(connection, [WRITTEN, *tables])
    return union_all(*map(wanted.of, there)).subquery("notes") if there else None


def _fitting(connection: Connection, tables: Collection[Table]) -> list[Table]:
    """Return those of the tables that are there and have the columns of notes."""
    format_table = connection.dialect.identifier_preparer.format_table
    given = {
        "names": [table.fullname for table in tables],
        "quoted": [format_table(table) for table in tables],
    }
    fits: dict[str, bool] = dict(connection.execute(THERE, given).all())
    for name in (name for name, fit in fits.items() if not fit):
        _warn(name)
    return [table for table in tables if fits.get(table.fullname)]


@lru_cache(1024)
def _warn(name: str) -> None:
    """Log, once for each table, that its notes are left out."""
    log.warning("the notes in %s are left out: it lacks a column that notes have", name)


def _note(start: datetime, stop: datetime | None, kind: str, text: str, link: str | None) -> Note:
    """Return a note that can be shown, also where somebody has made a table that takes any."""
    known = kind if kind in KINDS else "other"
    return Note(start, stop, known, text, link if link is not None and is_link(link) else None)
