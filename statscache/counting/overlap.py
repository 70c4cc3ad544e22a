"""Which messages of a batch a plugin has not counted yet, by the ledger and, past its reach, by coverage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from statscache.intake.batch import Batch, OldBatch
from statscache.span import Span
from statscache.store.coverage import covered
from statscache.store.ledger import seconds_of

#: By the id of a message that some plugin has counted, the plugins that have not.
Missing = Mapping[str, frozenset[str]]
#: Messages that are older than the ledger reaches back by less than so many seconds are entered all the same.
MARGIN_S = 86_400.0


def horizon(keep: timedelta, now: float | None = None) -> float:
    """Return the oldest time, in seconds since 1970, that a ledger which is kept so long surely reaches back to.

    :param now: the time by the database's clock, by which the ledger is pruned; None for this machine's
    """
    return (time.time() if now is None else now) - keep.total_seconds()


def lacking_ids(batch: Batch | OldBatch, missing: Missing, plugin: str) -> list[str]:
    """Return the ids of the batch's messages that the plugin has not counted."""
    if not missing:
        return list(batch.refs)
    return [id for id in batch.refs if id not in missing or plugin in missing[id]]


def without_covered(
    connection: Connection, batch: Batch | OldBatch, plugins: frozenset[str], missing: Missing, oldest: float
) -> Missing:
    """Leave out what plugins have covered, for messages older than the ledger reaches.

    :param missing: as `ledger.enter` gives it
    :param oldest: how far the ledger reaches back, in seconds since 1970
    """
    old = {id: second for id, second in zip(batch.refs, batch.seconds, strict=True) if second < oldest}
    if not old:
        return missing
    spans = covered(connection, plugins, Span(min(old.values()), max(old.values()) + 1))
    less = dict(missing)
    for has, plugins_with in _grouped(spans).items():
        for id, second in old.items():
            if any(second in span for span in has):
                less[id] = less.get(id, plugins) - plugins_with
    return less


def other_times(connection: Connection, batch: Batch | OldBatch, missing: Missing) -> dict[str, int]:
    """Return the seconds by which messages have been counted, where these are others than their own.

    A bridge's copy has another time than its original. The one that was counted first decides for all plugins.

    :return: the seconds by id, of messages that some plugin has counted and another is to count
    """
    lacking = [id for id, plugins in missing.items() if plugins]
    known = seconds_of(connection, lacking)
    return {
        id: known[id]
        for id, second in zip(batch.refs, batch.seconds, strict=True)
        if known.get(id, second) != second
    }


def _grouped(spans: Mapping[str, Sequence[Span]]) -> dict[tuple[Span, ...], frozenset[str]]:
    """Return the plugins that share the same spans together, without those that have none."""
    groups: defaultdict[tuple[Span, ...], set[str]] = defaultdict(set)
    for plugin, its in spans.items():
        groups[tuple(its)].add(plugin)
    return {its: frozenset(plugins) for its, plugins in groups.items() if its}
