"""A second set of tables, in which plugins count anew beside the figures that there are.

Temporary tables of the same names hide the real ones from a session, so that all that counts writes there without
knowing. They go with the session, whatever happens, and no transaction in which plugins run may write anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    FromClause,
    StaticPool,
    Table,
    TableClause,
    column,
    event,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError

from statscache.app import App
from statscache.database.engine import make_engine
from statscache.database.lock import APART, counting
from statscache.database.sessions import TEMPORARY_LAST, check_own_session
from statscache.database.trouble import DENIED, first_line, state_of
from statscache.errors import StatscacheError, Unusable
from statscache.history.archives.archive import Slice
from statscache.history.recount.mark import Mark
from statscache.history.recount.targets import Target
from statscache.history.slice_counter import SliceCounter
from statscache.hosting.loader import Part
from statscache.hosting.suspensions import SuspensionRow, Suspensions
from statscache.messages.message import Message, at_second
from statscache.plugins import Base
from statscache.span import Span
from statscache.store.coverage import CoverageRow, HeardRow, want
from statscache.store.forgotten import NUMBER
from statscache.store.ledger import LedgerRow, PluginSet, seconds_of
from statscache.store.quarantine_tables import Body, QuarantineRow

#: What else is written by counting.
CORE: list[type[Base]] = [
    LedgerRow,
    PluginSet,
    CoverageRow,
    HeardRow,
    Body,
    QuarantineRow,
    SuspensionRow,
]
SCHEMA = "pg_temp"
#: All ids that are counted are kept, to be compared with the real ledger's.
FOR_EVER = timedelta(days=1_000_000)
#: The columns of a table that are none of some.
UNKNOWN = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped "
    "AND attname <> ALL (:known)"
)
#: Whole tables are compared, which takes longer than a flush may.
PATIENCE = "SET LOCAL statement_timeout = '30min'; SET LOCAL lock_timeout = '5min'"


class NoSuspensions(Suspensions):
    """Suspends nobody: a plugin that does badly here fails here, and nowhere else."""

    def refresh(self) -> None:
        """Do nothing."""

    load = refresh

    def suspend(self, plugin: str, reason: str, hung: bool = False) -> None:
        """Do nothing."""

    def lift(self, plugin: str) -> None:
        """Do nothing."""


class Shadow:
    """The session with the temporary tables. For one thread.

    :param app: whose plugins are made anew
    :param targets: what they count; there is at least one
    """

    def __init__(self, app: App, targets: Sequence[Target]) -> None:
        chosen = frozenset[str]().union(*(target.plugins for target in targets))
        self._engine = _engine_beside(app.engine)
        check_own_session(self._engine, app.engine)
        self._mark = Mark(self._engine)
        self._own = self._engine.execution_options(postgresql_readonly=True, **{APART: True})
        with app.engine.connect() as connection:
            app.names.look(connection)
        self._names = app.pseudonyms.number
        parts = [Part(part.ident, part.make(), part.make) for part in app.parts if part.ident in chosen]
        settings = replace(app.settings, ledger_keep=FOR_EVER)
        #: Counts into the temporary tables.
        self.app = App(settings, self._own, parts, app.naming, NoSuspensions(self._own))
        self._counter = SliceCounter(self.app)
        self._make_tables([table for target in targets for table in target.tables])
        with self.own() as connection:
            want(connection, dict.fromkeys(chosen, datetime.fromtimestamp(0, UTC)))

    def messages(self, found: Slice) -> list[Message]:
        """Return the messages of a slice."""
        return list(self._counter.messages(found))

    def count(self, messages: Iterable[Message], span: Span, plugins: frozenset[str]) -> int:
        """Count all messages of a span for those of the plugins that have counted nothing of it here.

        :return: how many there are
        """
        return self._counter.count_all(messages, span, plugins)

    def count_loose(self, messages: Iterable[Message], plugins: frozenset[str]) -> None:
        """Count messages that are not all of any time, for plugins that lack them here."""
        self._counter.count_loose(messages, plugins)

    def moved(self, messages: Iterable[Message]) -> list[Message]:
        """Return those of the messages that have been counted by another second than they have, by that one."""
        messages = list(messages)
        with self.beside() as connection:
            known = seconds_of(connection, {message.id for message in messages})
        others = {m.id: m for m in messages if known.get(m.id, m.second) != m.second}
        return [Message(at_second(its, known[id]), self.app.naming) for id, its in others.items()]

    @contextmanager
    def own(self) -> Iterator[Connection]:
        """Give a transaction to which the temporary tables are all there is."""
        with counting(self._own) as connection:
            yield connection

    @contextmanager
    def beside(self) -> Iterator[Connection]:
        """Give a transaction that sees the real tables under their names, and the temporary ones by `shadow`.

        It can write only the latter.
        """
        with self._own.begin() as connection:
            _turn(connection)
            yield connection

    @contextmanager
    def exchange(self) -> Iterator[Connection]:
        """The same, for writing the real tables while nobody else counts.

        :raises StatscacheError: if somebody was forgotten since the beginning
        """
        with counting(self._engine, patient=True) as connection:
            _turn(connection)
            if connection.scalar(NUMBER) != self._names:
                raise StatscacheError(
                    "somebody was forgotten meanwhile, and what was counted again may name them: run this again"
                )
            yield connection

    def close(self) -> None:
        """Let go of the session, and so of all that was counted."""
        self._mark.drop_tables()
        self._engine.dispose()

    def _make_tables(self, tables: Sequence[Table]) -> None:
        try:
            with self._engine.begin() as connection:
                self._mark.make(connection)
                for model in CORE:
                    _make(connection, model.__table__, "EXCLUDING INDEXES")
                for own in tables:
                    _make(connection, own)
        except DBAPIError as error:
            self.close()
            if state_of(error) != DENIED:
                raise
            raise Unusable(
                f"the temporary tables for counting again cannot be created ({first_line(error)}): let the "
                "database's user create them, as with GRANT TEMPORARY ON DATABASE"
            ) from None


def shadow(model: Any) -> FromClause:
    """Return a model's temporary table, for reading it in the transactions of `Shadow.beside`."""
    return shadow_table(model).alias()


def shadow_table(model: Any) -> TableClause:
    """Return a model's temporary table, for writing it in the transactions of `Shadow.beside`."""
    real: Table = getattr(model, "__table__", model)
    return table(real.name, *(column(own.name, own.type) for own in real.columns), schema=SCHEMA)


def analyze(connection: Connection, models: Collection[Any]) -> None:
    """Let the planner know the temporary tables, which no autovacuum looks at."""
    for model in models:
        name = getattr(model, "__table__", model).name
        connection.exec_driver_sql(f"ANALYZE {SCHEMA}.{_quoted(connection, name)}")


def _engine_beside(engine: Engine) -> Engine:
    """Return an engine with one connection, which is never replaced: what was counted goes with it."""
    beside = make_engine(engine.url, temporary_last=False, poolclass=StaticPool)
    connections = count(1)

    @event.listens_for(beside, "do_connect", insert=True)  # before the one that connects
    def connect(*_: Any) -> None:
        if next(connections) > 1:
            raise StatscacheError(
                "the connection to the database was lost, and with it all that was counted again: run this again"
            )

    return beside


def _turn(connection: Connection) -> None:
    """Let the temporary tables hide nothing until the end of the transaction."""
    connection.exec_driver_sql(TEMPORARY_LAST)
    connection.exec_driver_sql(PATIENCE)


def _make(connection: Connection, real: Any, without: str = "") -> None:
    """Make an empty table that hides the real one."""
    name = _quoted(connection, real.name)
    key = ", ".join(_quoted(connection, own.name) for own in real.primary_key)
    indexes = f"{without}, PRIMARY KEY ({key})" if without else ""
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} (LIKE {name} INCLUDING ALL {indexes})")
    if without:
        _drop_unknown(connection, real)


def _drop_unknown(connection: Connection, real: Any) -> None:
    """Drop columns that a later version has added: what fills them for whoever writes is not copied."""
    name, known = f"{SCHEMA}.{_quoted(connection, real.name)}", [own.name for own in real.columns]
    for other in connection.scalars(UNKNOWN, {"table": name, "known": known}).all():
        connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN {_quoted(connection, other)}")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
