"""What was noted, over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table

from statscache.plugins import Note
from statscache.plugins.notes import KINDS
from statscache.query.notes import COLUMNS, MOST, NotesWanted, newest_notes
from statscache.query.parameters import CALLBACK_PARAMETER, FORMAT, START, STOP, UNDERSCORE, choice, whole
from statscache.query.sections import MOST_WHOLE

NAME = "notes"
_PARAMETERS = (
    replace(START, about="Leave out what was over before this instant."),
    replace(STOP, about="Leave out what starts at this instant or later."),
    replace(choice("kind", KINDS, "Only notes of this kind; may be given several times."), many=True),
    whole("limit", MOST_WHOLE, f"How many notes at most, those with the latest start; by default {MOST}."),
    replace(FORMAT, about="The form of the answer, whatever Accept says."),
    CALLBACK_PARAMETER,
    UNDERSCORE,
)
#: What can be asked of them.
PARAMETERS = {parameter.name: parameter for parameter in _PARAMETERS}


def paths_of_notes(idents: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that notes have; none where a plugin is called so, which keeps its own."""
    taken = any(ident.partition(".")[0] == NAME for ident in idents)
    return () if taken else (f"/api/{NAME}", f"/api/{NAME}.{{ending}}")


def read_notes(
    connection: Connection, tables: Collection[Table], values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return notes as rows of `COLUMNS`, that with the latest start first.

    :param values: those of the parameters
    """
    wanted = NotesWanted(
        values.get("start"), values.get("stop"), values.get("kind", KINDS), values.get("limit", MOST)
    )
    return [_row(note) for note in newest_notes(connection, tables, wanted)]


def _row(note: Note) -> tuple[Any, ...]:
    return tuple(getattr(note, column.name) for column in COLUMNS)
