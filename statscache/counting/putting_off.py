"""What becomes of messages that plugins are to count which a daemon has not got."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from statscache.counting.overlap import Missing, lacking_ids
from statscache.counting.transaction import Transaction
from statscache.intake.batch import Batch, OldBatch
from statscache.store import quarantine
from statscache.store.failure import Failure

ABSENT = Failure("put off: the daemon that counted it has no such plugin", tried=False)


def put_off(
    transaction: Transaction, batch: Batch | OldBatch, absent: Iterable[str], missing: Missing
) -> None:
    """Put what plugins lack that are not here into the quarantine, for a daemon that has them."""
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for ident in absent:
        groups[tuple(lacking_ids(batch, missing, ident))].append(ident)
    for ids, idents in groups.items():
        failures = dict.fromkeys(ids, ABSENT)
        quarantine.put(transaction.connection, idents, batch.messages(ids), failures)
