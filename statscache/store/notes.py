"""What people have noted by hand, for charts to show beside figures."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, Identity, Index, delete, func, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.channels import HAS_ROOM, told_of_rows
from statscache.plugins import Base, Note
from statscache.plugins.notes import NoteColumns, checked, constraints


class NoteRow(NoteColumns, Base):
    """A note that somebody has written."""

    __tablename__ = "statscache_note"
    __table_args__ = (
        Index("statscache_note_start", "start"),
        *constraints(),
        {
            "comment": "Releases, outages and the like that people have noted, which charts show beside figures"
        },
    )

    id: Mapped[int] = mapped_column(
        Identity(), primary_key=True, sort_order=-1, comment="a number for this row"
    )
    noted: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), sort_order=1, comment="when this was written"
    )


#: Lets open pages show it at once.
TELL = text(f"SELECT {told_of_rows(repr(NoteRow.__tablename__))} WHERE {HAS_ROOM}")


def add_note(connection: Connection, note: Note) -> int:
    """Add a note, tell those who listen once that is committed, and return its number.

    :raises Unstorable: if it is not one that can be kept
    """
    row = insert(NoteRow).values(**asdict(checked(note))).returning(NoteRow.id)
    number = connection.execute(row).scalar_one()
    connection.execute(TELL)
    return number


def remove_note(connection: Connection, number: int) -> bool:
    """Remove a note, tell those who listen, and return whether it was there."""
    gone = connection.execute(delete(NoteRow).where(NoteRow.id == number)).rowcount > 0
    connection.execute(TELL)
    return gone


def written_notes(connection: Connection) -> dict[int, Note]:
    """Return all notes by their numbers, oldest start first."""
    columns = (NoteRow.start, NoteRow.stop, NoteRow.kind, NoteRow.text, NoteRow.link)
    rows = connection.execute(select(NoteRow.id, *columns).order_by(NoteRow.start, NoteRow.id))
    return {number: Note(start, stop, kind, text, link) for number, start, stop, kind, text, link in rows}
