"""What is not verified any more, since messages of that time count now."""

from __future__ import annotations

import time
from collections.abc import Collection

from statscache.counting.overlap import Missing
from statscache.counting.transaction import Transaction
from statscache.intake.batch import Batch, OldBatch
from statscache.span import Span
from statscache.store.verification import clip

#: Nothing is verified that is not older than five minutes, so that what is younger than this many seconds cannot be
#: either, though clocks differ.
YOUNG_S = 120


def doubt(
    transaction: Transaction, batch: Batch | OldBatch, plugins: frozenset[str], missing: Missing
) -> None:
    """Note that figures change of the times by which messages count that some of the plugins lack.

    :param batch: with the seconds by which its messages count
    """
    seconds = {
        batch.times.get(id, second)
        for id, second in zip(batch.refs, batch.seconds, strict=True)
        if id not in missing or missing[id] & plugins
    }
    doubt_seconds(transaction, plugins, seconds)


def doubt_seconds(transaction: Transaction, plugins: Collection[str], seconds: Collection[int]) -> None:
    """Note that figures of some plugins change of these seconds since 1970."""
    young = max([time.time(), *seconds]) - YOUNG_S
    old = [Span(second, second + 1) for second in seconds if second < young]
    new = [second for second in seconds if second >= young]
    transaction.count(plugins, [*old, *([Span(min(new), max(new) + 1)] if new else [])])
    with transaction.at_the_end():
        clip(transaction.connection, plugins, old)
