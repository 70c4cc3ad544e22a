"""Up to which revisions the tables are upgraded, so that nobody writes to a form of them that he does not know.

A revision has a number and is of one of three stages: one that expands only adds what earlier versions do not mind, one
that fills writes the new form of what is there, and one that contracts takes the old form away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from importlib.metadata import version

from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.engine import open_database
from statscache.database.relations import is_there
from statscache.errors import Unusable
from statscache.plugins import Base
from statscache.settings import Settings

#: The number of the newest revision that this program knows, which is the last of `statscache.schema.migrations`.
NEWEST = 2
#: The revision that stands for the tables as they were before there were others.
BASELINE = "0001"
FORM = re.compile(r"([efc]?)(\d{4})")


class Stage(Enum):
    """What a revision does, by the letter that its id begins with; they are done in this order."""

    EXPAND = "e"
    FILL = "f"
    CONTRACT = "c"


class SchemaRow(Base):
    """Up to where the revisions of a stage are applied."""

    __tablename__ = "statscache_schema"
    __table_args__ = (
        {"comment": "Up to which revisions the tables of statscache itself are upgraded, one row a stage"},
    )

    #: The name that Alembic wants it to have.
    version_num: Mapped[str] = mapped_column(
        primary_key=True,
        comment="the newest of a stage: e and a number adds, f fills, c takes away; 0001 is the first of all",
    )


class DatabaseNewer(Unusable):
    """The tables have lost the form that this program knows; the text says what to do."""


def number_of_revision(revision: str) -> int:
    """Return the number of a revision.

    :raises DatabaseNewer: if its id is not of the form that this program knows
    """
    found = FORM.fullmatch(revision)
    if found is None:
        raise DatabaseNewer(_newer(revision))
    return int(found[2])


def applied(connection: Connection) -> list[str]:
    """Return the newest revision of each stage that is applied; nothing where none is noted."""
    if not is_there(connection, SchemaRow.__tablename__):
        return []
    return sorted(connection.scalars(select(SchemaRow.version_num)))


def check_known(revisions: Iterable[str], newest: int = NEWEST) -> None:
    """Check that the tables still have the form that this program knows.

    :param revisions: those that are applied
    :raises DatabaseNewer: if a later one has taken it away
    """
    for revision in revisions:
        if number_of_revision(revision) > newest and revision.startswith(Stage.CONTRACT.value):
            raise DatabaseNewer(_newer(revision))


def is_for_later(engine: Engine) -> bool:
    """Return whether the tables are upgraded for a later version, which this program can count beside."""
    with engine.connect() as connection:
        return any(number_of_revision(its) > NEWEST for its in applied(connection))


def open_to_write(settings: Settings) -> Engine:
    """Reach the database, for a command that writes to its tables.

    :raises Unusable: if it cannot be reached
    :raises DatabaseNewer: if it is too new for this program
    """
    engine = open_database(settings)
    check_form(engine)
    return engine


def check_form(engine: Engine) -> None:
    """Check that the tables of a database still have the form that this program knows.

    :raises DatabaseNewer: if not
    """
    with engine.connect() as connection:
        check_known(applied(connection))


def _newer(revision: str) -> str:
    return (
        f"the tables are those of a later version of statscache than {version('statscache')} (revision {revision}), "
        "so nothing is written: install that version here"
    )
