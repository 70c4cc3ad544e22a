"""Forgetting people, or giving them another name, in a database.

First the list has them, and all that names them is rewritten, in one transaction: from then on nothing counts them by
their names. What was written while that was prepared is rewritten after it. Whoever is interrupted does it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from statscache.counting.notifications import Changes
from statscache.database.lock import counting
from statscache.database.relations import is_there
from statscache.errors import StatscacheError
from statscache.forgetting.columns import AddressColumn, Place, TextColumn, places_of
from statscache.forgetting.messages import bodies
from statscache.forgetting.replacements import Replacement, Replacements
from statscache.hosting.suspensions import SuspensionRow
from statscache.messages.pseudonyms import TOKEN
from statscache.plugins import Base
from statscache.schema.bots import FUNCTION as IS_BOT
from statscache.schema.objects import home_of, quoted
from statscache.schema.prepare import CORE_TABLES
from statscache.schema.tables import taken_of
from statscache.store.daemons import heedless_daemons
from statscache.store.forgetting_key import make_key
from statscache.store.forgotten import ForgottenRow, forget, key_of, rename
from statscache.store.gaps import GapRow
from statscache.store.ledger import LedgerRow
from statscache.store.notes import NoteRow
from statscache.store.quarantine_tables import QuarantineRow

#: What a database may say to this for a minute: large tables are looked through.
PATIENCE = "SET LOCAL statement_timeout = '30min'; SET LOCAL lock_timeout = '5min'"
#: The tables of whose rows the planner's statistics hold any of some names.
ANALYZED = text("""
SELECT DISTINCT format('%I.%I', schemaname, tablename) FROM pg_stats, unnest(CAST(:names AS text[])) AS name
WHERE schemaname = ANY (current_schemas(false)) AND strpos(
    concat(most_common_vals::text, histogram_bounds::text, most_common_elems::text), name) > 0
""")
#: The tables that plugins have written here.
WRITTEN = text("SELECT DISTINCT unnest(tables) FROM statscache_plugin ORDER BY 1")
#: Texts of statscache's own that may name somebody, beside whole messages.
TEXTS: Sequence[tuple[Any, str]] = (
    (LedgerRow, "msg_id"),
    (QuarantineRow, "topic"),
    (QuarantineRow, "error"),
    (QuarantineRow, "traceback"),
    (SuspensionRow, "reason"),
    (GapRow, "reason"),
    (NoteRow, "text"),
    (NoteRow, "link"),
)


@dataclass(frozen=True)
class Wish:
    """Who is to be forgotten, or to have another name.

    :param new: the other name; None for nobody's
    """

    name: str
    new: str | None = None


@dataclass
class Receipt:
    """What was done, or would be.

    :param rows: how many rows named somebody, by the table and the column; without those that did not
    :param left: tables that nobody here knows, and that were left as they are
    """

    rows: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)

    def add(self, found: Iterable[tuple[str, int]]) -> None:
        """Add rows, by the names of places."""
        for name, number in found:
            if number:
                self.rows[name] += number


class Forgetting:
    """Forgets people in a database.

    :param key_file: is made if there is none
    """

    def __init__(self, engine: Engine, key_file: Path, wishes: Sequence[Wish]) -> None:
        self._engine = engine
        self._key_file = key_file
        self._wishes = wishes

    def look(self) -> Receipt:
        """Return what there is to be rewritten, and its nothing."""
        names = Replacements([Replacement(wish.name, wish.new or "") for wish in self._wishes])
        with self._engine.connect() as connection:
            connection.exec_driver_sql(PATIENCE)
            self._check(connection)
            receipt = Receipt(left=_unknown(connection))
            receipt.add((place.name, place.count(connection, names)) for place in _places(connection))
        return receipt

    def run(self) -> Receipt:
        """Rewrite all, and return what was.

        :raises StatscacheError: if the key is not there, or is another one
        """
        with self._engine.connect() as connection:
            connection.exec_driver_sql(PATIENCE)
            self._check(connection)
            slow = self._naming_somebody(connection)
        with self._counting() as connection:
            names = self._enter(connection)
            receipt = Receipt(left=_unknown(connection))
            places = [its for its in _places(connection) if _is_quick(its) or its in slow]
            receipt.add(_replaced(connection, places, names))
        with self._counting() as connection:
            receipt.add(_replaced(connection, _places(connection), names))
        self._analyze()
        return receipt

    def _analyze(self) -> None:
        """Let the planner's statistics be of what there is now: they hold values of rows."""
        names = [wish.name for wish in self._wishes]
        with self._engine.begin() as connection:
            for table in connection.scalars(ANALYZED, {"names": names}).all():
                connection.exec_driver_sql(f"ANALYZE {table}")

    def _counting(self) -> Any:
        return counting(self._engine, patient=True)

    def _naming_somebody(self, connection: Connection) -> Collection[Place]:
        """Return which texts to look through take long, and name somebody."""
        names = Replacements([Replacement(wish.name, wish.new or "") for wish in self._wishes])
        slow = [its for its in _places(connection) if not _is_quick(its)]
        return [its for its in slow if its.count(connection, names)]

    def _enter(self, connection: Connection) -> Replacements:
        """Put people on the list, and return what is written instead of their names."""
        connection.exec_driver_sql(PATIENCE)
        key = key_of(connection, self._key_file) or make_key(self._key_file)
        return Replacements(
            [
                Replacement(
                    wish.name,
                    rename(connection, key, wish.name, wish.new)
                    if wish.new
                    else forget(connection, key, wish.name),
                )
                for wish in self._wishes
            ]
        )

    def _check(self, connection: Connection) -> None:
        """Check that all can be done that is wished.

        :raises StatscacheError: if it cannot
        """
        if not is_there(connection, ForgottenRow.__tablename__):
            raise StatscacheError(
                f"{ForgottenRow.__tablename__} does not exist yet: start the daemon of this version once"
            )
        if earlier := heedless_daemons(connection):
            raise StatscacheError(
                f"{earlier[0]} may run, which would write the names again: stop it, then run this again"
            )
        key_of(connection, self._key_file)
        is_bot = text(f"SELECT {quoted(home_of(connection))}.{IS_BOT}(:name)")
        for wish in self._wishes:
            for name in (wish.name, *([] if wish.new is None else [wish.new])):
                if not name.strip() or "\0" in name or TOKEN.fullmatch(name):
                    raise StatscacheError(f"{name!r} is not a name that can be forgotten or given")
            if wish.name == wish.new:
                raise StatscacheError(f"{wish.name} has that name already")
            if wish.new is None and connection.scalar(is_bot, {"name": wish.name}):
                raise StatscacheError(
                    f"{wish.name} is a bot by statscache.bots, and what is written instead would be a person: take "
                    "it off that list first, and restart the daemons"
                )


def _is_quick(place: Place) -> bool:
    """Return whether an index finds the rows, or they are few."""
    if isinstance(place, TextColumn):
        return place.table.name in CORE_TABLES
    return not isinstance(place, AddressColumn)


def _places(connection: Connection) -> list[Place]:
    """Return all places in which names can be."""
    models = {mapper.class_.__table__.fullname: mapper.class_ for mapper in Base.registry.mappers}
    names = taken_of(connection, sorted(models.keys() - CORE_TABLES))
    texts = [TextColumn(model, model.__table__.columns[name], whole=True) for model, name in TEXTS]
    return [*bodies(), *texts, *(place for name in names for place in places_of(models[name]))]


def _unknown(connection: Connection) -> list[str]:
    known = {mapper.class_.__table__.fullname for mapper in Base.registry.mappers}
    return [name for name in connection.scalars(WRITTEN) if name not in known]


def _replaced(connection: Connection, places: Sequence[Place], names: Replacements) -> list[tuple[str, int]]:
    """Replace names in some places, let those who listen know, and return how many rows there were in each."""
    connection.exec_driver_sql(PATIENCE)
    found = [(place.name, place.replace(connection, names)) for place in places]
    told = Changes()
    told.add((name.rpartition(".")[0], None) for name, number in found if number)
    told.tell(connection)
    return found
