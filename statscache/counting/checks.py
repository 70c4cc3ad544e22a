"""What each transaction that counts looks at before it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from sqlalchemy import Connection, text

from statscache.counting.known_names import KnownNames
from statscache.database.arrays import written_out
from statscache.database.sessions import ANSWER
from statscache.hosting.runner import Runner
from statscache.hosting.suspension_policy import SuspensionPolicy
from statscache.intake.batch import Batch, OldBatch
from statscache.store.presence import LACKING_ARRAY, Presence
from statscache.store.standing import STANDING, Standing, ask, parameters, standing_of


class Checks:
    """Looks whether this program may write, and what it may not.

    :param presence: checks that all tables are there
    :param names: knows who is forgotten
    :param policy: leaves plugins alone whose tables were made anew for another program
    :param remade: how often the table of each plugin had been made anew when it was looked at
    """

    def __init__(
        self,
        presence: Presence,
        names: KnownNames,
        runners: Iterable[Runner],
        policy: SuspensionPolicy,
        remade: Mapping[str, int],
    ) -> None:
        self._presence = presence
        self._names = names
        self._versions = {runner.ident: runner.version for runner in runners}
        self._policy = policy
        self._remade = remade

    @cached_property
    def question(self) -> str:
        """A SELECT of all that is looked at, to be asked with the BEGIN; it fails where a table of ours is missing."""
        asked = text(f"SELECT {LACKING_ARRAY} AS lacking, its.* FROM ({STANDING.text}) AS its")
        return written_out(asked, self._presence.parameters | parameters(self._versions, self._remade))

    def run(self, connection: Connection, batch: Batch | OldBatch | None) -> Standing:
        """Run them, and return what is so until the end of the transaction.

        :param batch: what plugins have taken before it, if anything
        :raises DatabaseIncomplete: if a table is missing
        :raises DatabaseNewer: if a later version has taken away the form of the tables that this program knows
        :raises NamesChanged: if somebody was forgotten since plugins took the batch
        """
        if answer := connection.info.pop(ANSWER, None):
            lacking, *rest = answer
            self._presence.check_found(lacking)
            standing = standing_of(rest, self._versions)
        else:
            self._presence.check(connection)
            standing = ask(connection, self._versions, self._remade)
        self._policy.leave_out(standing.outdated)
        self._names.check(connection, batch, standing.forgotten)
        return standing
