"""Keeping what a comparison with history found, for pages and answers to say when figures were verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from statscache.counting.notifications import Changes
from statscache.database.lock import counting
from statscache.database.trouble import DENIED, NO_TABLE, first_line, is_database_trouble, state_of
from statscache.history.recount.recount import Spans
from statscache.store.verification import Found, claim, forget, settle, tidy


class Claims:
    """The times of tables that are being compared.

    :param archive: what they are compared with, as people know it
    """

    def __init__(self, engine: Engine, archive: str) -> None:
        self._engine = engine
        self._archive = archive
        self._claims: dict[str, int] = {}
        #: Why what is found cannot be kept; empty if it can.
        self.trouble = ""

    def make(self, spans: Spans) -> None:
        """Claim times, before anything of them is read."""
        wanted = {target.table.fullname: its for target, its in spans.items()}

        def act(connection: Connection) -> None:
            self._claims = claim(connection, self._archive, wanted)

        self._try(act)

    def keep(self, found: Sequence[Found]) -> None:
        """Keep what was found, and tell those who listen."""

        def act(connection: Connection) -> None:
            for its in found:
                if its.table in self._claims:
                    settle(connection, self._claims[its.table], its)
            tidy(connection)
            changes = Changes()
            changes.cover(self._claims)
            changes.tell(connection)

        if self._claims:
            self._try(act)

    def give_up(self) -> None:
        """Let go of what was claimed and not settled."""
        if self._claims:
            with suppress(DBAPIError), self._engine.begin() as connection:
                forget(connection, self._claims.values())

    def _try(self, act: Callable[[Connection], None]) -> None:
        try:
            with counting(self._engine) as connection:
                act(connection)
        except DBAPIError as error:
            if state_of(error) not in (DENIED, NO_TABLE) and not is_database_trouble(error):
                raise
            self.trouble = first_line(error)
