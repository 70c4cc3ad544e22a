"""The API's way to the database, on which it can change nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine, Text, cast, create_engine, func, literal, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from statscache.database.engine import DRIVER_ARGUMENTS, RECYCLE, connect_with_reserve, database_url
from statscache.database.sessions import FORMS, LEVEL, READ_ONLY, set_up_transactions
from statscache.database.trouble import CANCELLED, DENIED, NO_TABLE, is_database_trouble, state_of
from statscache.errors import StatscacheError
from statscache.query.columns import EPOCH
from statscache.query.errors import BadQuestion
from statscache.query.readable import is_readable
from statscache.render.language import marked
from statscache.schema.registry import PluginRow
from statscache.settings import Settings
from statscache.store.bots import BotRow, version_of_bots
from statscache.store.coverage import CoverageRow
from statscache.store.notes import NoteRow
from statscache.store.revisions import DatabaseNewer, SchemaRow, check_known
from statscache.store.verification import VerificationRow
from statscache.web.errors import Refusal, bad

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many questions are put to the database at once; others wait for their turn.
CONNECTIONS = 4
#: How long a statement may take, in seconds, and how long one may wait for a connection.
STATEMENT, WAIT = 5, 3
#: No transaction that writes takes longer than this.
SETTLED = timedelta(minutes=1)
SETTINGS = {
    **FORMS,
    "statement_timeout": f"{STATEMENT}s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "jit": "off",
}
AWAY = marked("the database cannot be reached: try again later")
BUSY = marked("the database is too busy: try again later")
#: What is known of how complete each table is, as one text.
STANDINGS = text("SELECT table_name, md5(its::text) AS tag FROM statscache_freshness AS its")
#: What was found of each table when it was compared with an archive, as one text.
VERIFIED = text("""
SELECT table_name, md5(string_agg(its::text, ' ' ORDER BY id)) AS tag
FROM statscache_verification AS its WHERE agrees IS NOT NULL GROUP BY table_name
""")
#: What tells the notes that people have written from what they were.
NOTES = text("""
SELECT concat_ws(' ', count(*), sum(id), max(noted)), coalesce(max(noted), to_timestamp(0)) FROM statscache_note
""")
SLOW = marked("this takes longer than {seconds} s: ask for less, for instance with start and stop")
ABSENT = marked("the table does not exist yet: the daemon has not run with this plugin")
FAILED = marked("the rows cannot be read: the server's log says why")
#: The SQLSTATE of a lock that others held for too long.
LOCKED = "55P03"


@dataclass(frozen=True)
class Version:
    """What tells the present content of a table from an earlier one.

    :param tag: a text that differs
    :param updated: when the table was last written, or found to be complete without
    :param settled: whether that is so long ago that no transaction can still commit with the same second
    """

    tag: str
    updated: datetime
    settled: bool


class Database:
    """Answers questions, each on a connection of its own; all may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._looked = False

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Return what a function finds on a connection.

        :raises Refusal: if the database is away or fails, or the function does
        """
        try:
            with _refusals():
                return self._ask(question)
        except Refusal:
            raise
        except Exception as error:  # a plugin's own types can raise anything
            log.exception("rows cannot be read")
            raise Refusal(503, FAILED, 60) from error

    def _ask(self, question: Callable[[Connection], T]) -> T:
        for last in (False, True):
            try:
                with self._connect() as connection:
                    return question(connection)
            except DBAPIError as error:
                if last or not error.connection_invalidated:
                    raise  # else the server was restarted since the connection was made
        raise AssertionError("the second try returns or raises")

    def _connect(self) -> Connection:
        if self._engine is None:
            self._engine = make_reader(database_url(self._settings))
        connection = self._engine.connect()
        if not self._looked:
            self._looked = True
            _tell_of_newer(connection)
        return connection

    def versions(self) -> dict[str, Version]:
        """Return the version of each table by its name, also of people's notes and of bots; none where none has run."""
        return self._ask_of_all(_versions)

    def standings(self) -> dict[str, str]:
        """Return for each table a text that differs when another time is complete, or for other reasons."""
        return self._ask_of_all(_standings)

    def _ask_of_all(self, question: Callable[[Connection], dict[str, T]]) -> dict[str, T]:
        with _refusals():
            try:
                return self._ask(question)
            except DBAPIError as error:
                if state_of(error) in (NO_TABLE, DENIED):
                    return {}
                raise

    def close(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            self._engine.dispose()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the database can meet into what to tell of it."""
    try:
        yield
    except DBAPIError as error:
        raise _refusal(error) from error
    except PoolTimeout as error:
        raise Refusal(503, BUSY, 1) from error
    except BadQuestion as error:
        raise bad(error) from None
    except StatscacheError as error:
        log.error("the database cannot be used: %s", error)
        raise Refusal(503, AWAY, 5) from error


def make_reader(url: str) -> Engine:
    """Make an engine whose transactions only read."""
    query = make_url(url).query
    arguments = {**DRIVER_ARGUMENTS, "application_name": "statscache serve", "connect_timeout": 3}
    engine = create_engine(
        url,
        connect_args={key: value for key, value in arguments.items() if key not in query},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=WAIT,
        pool_recycle=RECYCLE,
    )

    connect_with_reserve(engine)
    set_up_transactions(engine, SETTINGS, True, LEVEL + READ_ONLY)
    return engine


def _tell_of_newer(connection: Connection) -> None:
    """Log if the tables have lost the form that this program knows: then it answers what it can read."""
    if is_readable(connection, SchemaRow.__tablename__):
        try:
            check_known(connection.scalars(select(SchemaRow.version_num)))
        except DatabaseNewer as error:
            log.error("%s", error)


def _versions(connection: Connection) -> dict[str, Version]:
    written = select(PluginRow.ident, func.unnest(PluginRow.tables).label("name")).subquery("written")
    each = CoverageRow.plugin + " " + cast(CoverageRow.updated, Text)
    newest = func.max(CoverageRow.updated)
    query = (
        select(
            written.c.name,
            func.string_agg(each, aggregate_order_by(literal(","), CoverageRow.plugin)),
            newest,
            newest < func.now() - SETTLED,
        )
        .join_from(written, CoverageRow, CoverageRow.plugin == written.c.ident)
        .group_by(written.c.name)
    )
    versions = {
        name: Version(hashlib.sha256(each.encode()).hexdigest()[:16], updated, settled)
        for name, each, updated, settled in connection.execute(query)
    }
    if is_readable(connection, NoteRow.__tablename__):
        tag, updated = connection.execute(NOTES).one()
        versions[NoteRow.__tablename__] = Version(tag, updated, False)
    if is_readable(connection, BotRow.__tablename__):
        versions[BotRow.__tablename__] = Version(version_of_bots(connection), EPOCH, False)
    return versions


def _standings(connection: Connection) -> dict[str, str]:
    verified: dict[str, str] = {}
    if is_readable(connection, VerificationRow.__tablename__):
        verified = dict(connection.execute(VERIFIED).all())
    tags = connection.execute(STANDINGS)
    return {row.table_name: f"{row.tag} {verified.get(row.table_name, '')}" for row in tags}


def _refusal(error: DBAPIError) -> Refusal:
    """Return what to tell of an error of the database, which itself is only logged."""
    state = state_of(error)
    if state is not None and state[:2] == "22":
        return Refusal(400, "cursor must be one from a Link header of this plugin's rows")
    if state == CANCELLED:
        return Refusal(503, SLOW, seconds=STATEMENT)
    told = {LOCKED: (BUSY, 1), NO_TABLE: (ABSENT, 60)}
    if state in told:
        return Refusal(503, *told[state])
    away = is_database_trouble(error)
    log.log(logging.WARNING if away else logging.ERROR, "the database failed", exc_info=error)
    return Refusal(503, AWAY if away else FAILED, 5)
