"""Whose upserts go with the COMMIT where several daemons count at once, and who writes before that."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from statscache.counting.transaction import Transaction
from statscache.database.lock import lock_tables
from statscache.hosting.runner import Runner

#: For so many seconds after a failure a plugin writes in a savepoint of its own.
LATELY_S = 600.0


class Joining:
    """Tells plugins whose upserts go with the COMMIT from those that write in a way of their own, or failed lately.

    The latter write under a lock of their table, in which nobody else writes it meanwhile: nobody knows in which order
    they lock rows. So do those whose upserts rest on what they read.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, float] = {}

    def failed(self, runner: Runner) -> None:
        """Note that a plugin could not write."""
        self._failed[runner.ident] = self._clock()

    def arrange(self, transaction: Transaction, runners: Sequence[Runner]) -> list[Runner]:
        """Return plugins in the order in which they are to write, their tables locked where others count, too."""
        before: list[Runner] = []
        joining: list[Runner] = []
        tables = Counter(map(_table_of, runners))
        for runner in runners:  # each is asked about once: the answer changes with time
            # What it reads would lack what another plugin writes with the COMMIT.
            misses = runner.reads and tables[_table_of(runner)] > 1
            (joining if self._may_join(runner) and not misses else before).append(runner)
        joining.sort(key=_table_of)
        if transaction.round_trip and runners:
            transaction.joining.update(runner.ident for runner in joining)
            first = before + [runner for runner in joining if runner.reads]
            alone = {_table_of(runner) for runner in first} | {
                name for name, many in tables.items() if many > 1
            }
            with nullcontext() if first else transaction.at_the_end():
                lock_tables(transaction.connection, alone, tables.keys())
        return before + joining

    def _may_join(self, runner: Runner) -> bool:
        failed = self._failed.get(runner.ident)
        return runner.upserts and (failed is None or self._clock() - failed > LATELY_S)


def _table_of(runner: Runner) -> str:
    """Return the name of the table of a plugin; of one without a table its own, as nobody knows what it writes."""
    return runner.table or f"plugin {runner.ident}"
