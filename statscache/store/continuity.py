"""Whether the database still has what this daemon last saw committed.

A failover can lose commits, and a restore can take any. So each transaction of a daemon begins by writing to the row of
its spool, and only if that is as one of its own last transactions has left it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, exists, extract, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from statscache.database.lock import counting
from statscache.errors import StatscacheError
from statscache.process.clocks import Clocks
from statscache.span import Span
from statscache.store.daemons import signature
from statscache.store.positions import DatabaseRow, SpoolRow

#: By so many seconds the clock of the database and ours may differ, or a transaction begin after its messages came.
DOUBT = 60.0
Confirm = Callable[[Span | None], Span | None]


@dataclass(frozen=True)
class Commit:
    """What a transaction of this daemon has committed, or may have.

    :param written: when it began, on the clock of the database: what tells it from all others
    :param position: how far the daemon's own spool is committed with it
    :param claimed: the second before which the bus was heard in full; None for a first claim that is yet to come
    :param at: when the transaction was begun, in seconds since 1970
    :param noted: the same on the monotonic clock
    """

    written: datetime | None
    position: int
    claimed: int | None
    at: float
    noted: float = field(default_factory=time.monotonic, compare=False)


class WentBack(StatscacheError):
    """The database has not got what it had committed.

    :param commit: the last of this daemon's commits that it has
    """

    def __init__(self, commit: Commit) -> None:
        super().__init__("the database went back, as after a failover or a restore")
        self.commit = commit


class DatabaseIncomplete(StatscacheError):
    """The database lacks what it must hold, so that nothing may be written to it; the text says what."""


class Continuity:
    """Writes how far a daemon has come, and notices when the database went back. For the flush's thread alone.

    :param database: the id of the database
    :param spool: the name of the daemon's spool
    :param tail: for how many seconds its commits are remembered
    :param clocks: learn what the database's clock shows
    :param confirm: gives a claim back, or None if a clock was set since its span began
    """

    def __init__(self, database: str, spool: str, tail: float, clocks: Clocks, confirm: Confirm) -> None:
        self._database = database
        #: The name of the daemon's spool.
        self.spool = spool
        self._tail = tail
        self._clocks = clocks
        self._confirm = confirm
        self._commits = deque([Commit(None, 0, None, time.time())])
        self._unsure: Commit | None = None

    @property
    def written(self) -> datetime | None:
        """When the last commit began, on the database's clock."""
        return self._commits[-1].written

    def begin(self, engine: Engine) -> None:
        """Make the row of the spool.

        :raises DBAPIError: if the database fails
        """
        with counting(engine) as connection:
            self.write(connection, 0, None)
        self.committed()

    def write(self, connection: Connection, position: int | None, heard: Span | None) -> Span | None:
        """Write how far the daemon's spool is committed, the first thing in each of its transactions.

        :param position: None for as far as it was
        :param heard: what the transaction would cover
        :return: what it may cover
        :raises WentBack: if the database has not got what this daemon last saw committed
        :raises DatabaseIncomplete: if it is another database, or not all of it is there
        """
        if self._unsure:
            self._make_sure(connection)
        last = self._commits[-1]
        position = last.position if position is None else position
        asked = self._clocks.monotonic()
        row = self._write_after(connection, last.written, position)
        if row is None:
            raise self._went_back(connection)
        updated, instant = row
        self._clocks.note_database(float(instant), asked, self._clocks.monotonic())
        heard = self._confirm(heard)
        self._unsure = Commit(updated, position, heard.stop if heard else last.claimed, time.time())
        return heard

    def committed(self) -> None:
        """Note that the transaction in which it was last written is committed."""
        if self._unsure:
            self._keep(self._unsure)

    def _keep(self, commit: Commit) -> None:
        self._commits.append(commit)
        self._unsure = None
        while commit.noted - self._commits[0].noted > self._tail and len(self._commits) > 1:
            self._commits.popleft()

    def _make_sure(self, connection: Connection) -> None:
        """Find out whether the last transaction was committed of which that is not known."""
        row = self._row(connection)
        if self._unsure and row and row.updated == self._unsure.written:
            self._keep(self._unsure)
        self._unsure = None

    def _write_after(
        self, connection: Connection, written: datetime | None, position: int
    ) -> Row[datetime, Any] | None:
        """Write the row if it is as it was written, None for that there is none.

        :return: what is now written, and what the database's clock shows, in seconds since 1970
        """
        row = {"position": position, "updated": func.now()}
        ours = exists().where(DatabaseRow.id == self._database)
        shown = SpoolRow.updated, extract("epoch", func.clock_timestamp())
        if written is not None:
            known = SpoolRow.id == self.spool, SpoolRow.updated == written, ours
            changed = update(SpoolRow).where(*known).values(row).returning(*shown)
            return connection.execute(changed).one_or_none()
        signed = signature(connection)
        columns = select(literal(self.spool), literal(position), func.now(), *signed.values()).where(ours)
        made = insert(SpoolRow).from_select(["id", *row, *signed], columns).on_conflict_do_nothing()
        return connection.execute(made.returning(*shown)).one_or_none()

    def _row(self, connection: Connection) -> Row[int, datetime] | None:
        query = select(SpoolRow.position, SpoolRow.updated).where(SpoolRow.id == self.spool)
        return connection.execute(query).one_or_none()

    def _went_back(self, connection: Connection) -> StatscacheError:
        """Return what is wrong with a database that has not got the last commit."""
        if connection.scalar(select(DatabaseRow.id).where(DatabaseRow.id == self._database)) is None:
            return DatabaseIncomplete(
                f"statscache_database has no row with the id {self._database}, so nothing is written: if a restore is "
                "under way it goes on by itself; if somebody has deleted the row, insert it again"
            )
        commit = self._commit_of(self._row(connection))
        while self._commits and self._commits[-1] != commit:
            self._commits.pop()
        self._commits = self._commits or deque([commit])
        return WentBack(commit)

    def _commit_of(self, row: Row[int, datetime] | None) -> Commit:
        """Return the commit that has left a row; of one that is not remembered no more is known than is in the row."""
        if row is None:
            return Commit(None, 0, None, self._commits[0].at)
        known = [commit for commit in self._commits if commit.written == row.updated]
        return known[0] if known else Commit(row.updated, row.position, None, row.updated.timestamp() - DOUBT)
