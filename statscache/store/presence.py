"""Whether the tables are all there: while a dump is restored they are not, and nothing may be written to them.

Nor may anything be written to those of a dump of an earlier version, whose ledger knows messages by other ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import Connection, text

from statscache.database.arrays import array_of_texts
from statscache.store.continuity import DatabaseIncomplete
from statscache.store.ledger import CANONICAL_IDS, HAS_CANONICAL_IDS

#: Tables without their keys, which a dump's tables get last; and the constraint of the ledger where that is lacking.
LACKING = text(
    "SELECT name, to_regclass(name) IS NULL FROM unnest(CAST(:names AS text[])) AS name "
    "WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(name) AND indisprimary AND indisvalid) "
    f"UNION ALL SELECT '{CANONICAL_IDS}', false WHERE NOT {HAS_CANONICAL_IDS}"
)
#: The same in one column, each with 't' if the table is missing.
LACKING_ARRAY = (
    f"ARRAY(SELECT ARRAY[name, left(missing::text, 1)] FROM ({LACKING.text}) AS its (name, missing))"
)
#: For so many seconds a plugin's table without a key keeps everything from being written; after that it is the
#: trouble of its plugin alone.
PATIENCE = 600.0


class Presence:
    """Checks that the tables are there, in the transaction that is going to write to them.

    :param core: the tables of statscache itself, as SQL names them
    :param others: those of the plugins
    :param clock: gives seconds, and never goes back
    """

    def __init__(
        self, core: Collection[str], others: Collection[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._core = frozenset(core)
        self._names = sorted({*core, *others})
        self._clock = clock
        self._since: float | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of `LACKING`."""
        return {"names": array_of_texts(self._names)}

    def check(self, connection: Connection) -> None:
        """Check them.

        :raises DatabaseIncomplete: if one of statscache itself is missing or lacks its key, or for some minutes one
            of a plugin lacks its key; or if the ledger is that of an earlier version
        """
        self._judge(dict(connection.execute(LACKING, self.parameters).all()))

    def check_found(self, lacking: Iterable[Sequence[str]]) -> None:
        """Check them by what was asked already.

        :param lacking: what `LACKING_ARRAY` gives
        :raises DatabaseIncomplete: as `check` does
        """
        self._judge({name: missing == "t" for name, missing in lacking})

    def _judge(self, found: dict[str, bool]) -> None:
        is_old = found.pop(CANONICAL_IDS, None) is not None
        lacking = [
            name
            for name, missing in found.items()
            if name in self._core or (not missing and self._may_come())
        ]
        if not found:
            self._since = None
        if lacking:
            raise DatabaseIncomplete(
                f"{', '.join(lacking)}: not there, or without the primary key; nothing is written until a restore is "
                "complete, or a new start has made what somebody has dropped"
            )
        if is_old:
            raise DatabaseIncomplete(
                "the ids in statscache_ledger are those of an earlier version; nothing is written until a start of "
                "the daemon has made them canonical: restart it"
            )

    def _may_come(self) -> bool:
        now = self._clock()
        self._since = now if self._since is None else self._since
        return now - self._since < PATIENCE
