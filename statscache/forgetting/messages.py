"""Whole messages that statscache keeps: those in the quarantine, and copies of bridges that are kept back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from statscache.forgetting.replacements import Replacements
from statscache.messages.message import without_names
from statscache.store.kept_back_table import KeptRow
from statscache.store.quarantine_tables import Body, QuarantineRow


@dataclass(frozen=True)
class _Found:
    """A message that names somebody: its id, and what is written instead of that and of its body."""

    id: str
    new_id: str
    body: str


class QuarantinedBodies:
    """The messages in the quarantine."""

    name = "statscache_quarantine_body.body"

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many messages name somebody."""
        return sum(1 for _ in _found(connection, Body, names))

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names, also in the ids by which the quarantine knows messages."""
        found = list(_found(connection, Body, names))
        for its in found:
            if its.id == its.new_id:
                connection.execute(update(Body).where(Body.msg_id == its.id).values(body=its.body))
                continue
            made = insert(Body).values(msg_id=its.new_id, body=its.body)
            connection.execute(made.on_conflict_do_nothing())
            _move_failures(connection, its)
            connection.execute(delete(Body).where(Body.msg_id == its.id))
        return len(found)


class KeptBodies:
    """The copies that are kept back."""

    name = "statscache_kept_back.body"

    def count(self, connection: Connection, names: Replacements) -> int:
        """Return how many copies name somebody."""
        return sum(1 for _ in _found(connection, KeptRow, names))

    def replace(self, connection: Connection, names: Replacements) -> int:
        """Replace the names, also in the ids of copies."""
        found = list(_found(connection, KeptRow, names))
        for its in found:
            old = update(KeptRow).where(KeptRow.msg_id == its.id)
            connection.execute(old.values(msg_id=its.new_id, body=its.body))
        return len(found)


def _move_failures(connection: Connection, its: _Found) -> None:
    """Let the quarantine know a message by its new id; for a plugin that has that already it is in there once."""
    there = select(QuarantineRow.plugin).where(QuarantineRow.msg_id == its.new_id)
    row = QuarantineRow.msg_id == its.id
    connection.execute(delete(QuarantineRow).where(row, QuarantineRow.plugin.in_(there)))
    connection.execute(update(QuarantineRow).where(row).values(msg_id=its.new_id))


def _found(connection: Connection, model: Any, names: Replacements) -> Iterator[_Found]:
    """Yield the messages that name somebody."""
    may = or_(
        *(func.strpos(model.body, json.dumps(its.old)[1:-1]) > 0 for its in names.each),
        *(func.strpos(model.msg_id, its.old) > 0 for its in names.each),
    )
    for id, text in connection.execute(select(model.msg_id, model.body).where(may)).all():
        body = json.loads(text)
        new_id = names.pseudonyms.throughout(id)
        new = without_names(body, new_id, names.pseudonyms)
        if new_id != id or new != body:
            yield _Found(id, new_id, json.dumps(new))


def bodies() -> Sequence[QuarantinedBodies | KeptBodies]:
    """Return where whole messages are."""
    return QuarantinedBodies(), KeptBodies()
