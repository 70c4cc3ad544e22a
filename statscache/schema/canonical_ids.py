"""Rewrites the ids that an earlier version has stored as they came, so that they are canonical.

The constraint of the ledger is made in the same transaction: where it is, all is done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.database.relations import is_there
from statscache.database.trouble import first_line, is_database_trouble
from statscache.errors import Unusable, number_of
from statscache.store.canonical_ids import CANONICAL, HAS_YEAR, IS_CANONICAL, WITHOUT_YEAR
from statscache.store.ledger import CANONICAL_IDS, HAS_CANONICAL_IDS
from statscache.store.ledger_copies import merge_copies
from statscache.store.quarantine_copies import make_ids_canonical

log = logging.getLogger(__name__)

#: A ledger of millions of rows is written anew.
PATIENCE = "SET LOCAL statement_timeout = '1h'"
IS_DONE = text(f"SELECT {HAS_CANONICAL_IDS}")
NUMBER = text(f"SELECT count(*) FROM statscache_ledger WHERE {HAS_YEAR}")
#: Another type for the column, though the same, makes the whole table and its key anew, in half the time that an UPDATE
#: of all rows takes, and leaves no dead rows.
REWRITE = f"ALTER TABLE statscache_ledger ALTER COLUMN msg_id TYPE text USING {CANONICAL}"
CONSTRAIN = f"ALTER TABLE statscache_ledger ADD CONSTRAINT {CANONICAL_IDS} CHECK ({IS_CANONICAL})"


@dataclass(frozen=True)
class Rewritten:
    """How many ids were rewritten.

    :param ledger: in the ledger
    :param merged: of how many messages the ledger had several copies, and has one now
    :param quarantine: in the quarantine, one for each plugin
    :param latest: in tables of latest states
    """

    ledger: int
    merged: int
    quarantine: int
    latest: int

    def __str__(self) -> str:
        return (
            f"{number_of(self.ledger, 'message')} of the ledger, {self.quarantine} of the quarantine and "
            f"{number_of(self.latest, 'latest state')} have canonical ids now, without the year that fedmsg puts "
            f"before a UUID; of {number_of(self.merged, 'message')} there were several copies"
        )


def rewrite_ids(engine: Engine, latest: Iterable[Table]) -> None:
    """Make the ids in the ledger, the quarantine and tables of latest states canonical, unless that was done.

    :param latest: the tables of latest states; some may not be there
    :raises Unusable: if that cannot be done; then nothing is changed
    """
    try:
        with counting(engine, patient=True) as connection:
            if connection.scalar(IS_DONE):
                return
            log.info("making the ids in the ledger canonical, once and for all, which can take minutes")
            connection.exec_driver_sql(PATIENCE)
            rewritten = _rewrite(connection, latest)
    except DBAPIError as error:
        raise Unusable(
            f"the ids in statscache_ledger cannot be made canonical ({first_line(error)}): remove the cause and "
            "start again; nothing was changed"
        ) from error
    log.info("%s", rewritten)


def _rewrite(connection: Connection, latest: Iterable[Table]) -> Rewritten:
    number = connection.scalar(NUMBER) or 0
    quarantine = make_ids_canonical(connection)  # this looks at the ledger as that was
    merged = merge_copies(connection)
    if number:
        connection.exec_driver_sql(REWRITE)
    connection.exec_driver_sql(CONSTRAIN)
    connection.exec_driver_sql("ANALYZE statscache_ledger")  # another type takes what was known of the column
    return Rewritten(number, merged, quarantine, sum(_rewrite_latest(connection, its) for its in latest))


def _rewrite_latest(connection: Connection, table: Table) -> int:
    """Rewrite one table, and return how many rows; a failure is only logged, as little depends on these ids."""
    name = connection.dialect.identifier_preparer.format_table(table)
    if not is_there(connection, table.fullname):
        return 0
    try:
        with connection.begin_nested():
            statement = f"UPDATE {name} SET msg_id = {WITHOUT_YEAR} WHERE {HAS_YEAR}"
            return connection.exec_driver_sql(statement).rowcount
    except DBAPIError as error:
        if is_database_trouble(error):
            raise
        log.warning("the ids in %s cannot be made canonical: %s", table.fullname, first_line(error))
        return 0
