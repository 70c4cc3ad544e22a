"""Leaving out messages whose windows are not kept any more, for the plugins of the tables that lack them.

What is kept is asked in the transaction, by what is recorded: not by the clock, of which daemons may have several. Most
batches are of time from which on everything is kept, so that nothing more is asked than each transaction asks anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from statscache.counting.transaction import Transaction
from statscache.hosting.runner import Runner
from statscache.intake.batch import Batch, OldBatch
from statscache.span import Span
from statscache.store.not_kept import not_kept


class LeavingOut:
    """Tells which messages a plugin is not to get: none of a plugin that reaches further, which sees to it itself."""

    def __init__(self, runners: Iterable[Runner]) -> None:
        #: Those of the plugins that write to the windows in which their messages lie, and to no others.
        self._tables = {its.ident: its.table for its in runners if its.table and not its.reach}

    def of_batch(
        self, transaction: Transaction, batch: Batch | OldBatch, lacking: Mapping[str, list[str]]
    ) -> Mapping[str, list[str]]:
        """Return the ids of the messages that each plugin is to count whose windows are kept.

        :param batch: with the seconds by which its messages count
        :param lacking: the ids of those that each plugin is to count
        """
        kept_from = transaction.standing.kept_from
        if min([*batch.seconds, *batch.times.values()], default=kept_from) >= kept_from:
            return lacking
        refs = zip(batch.refs, batch.seconds, strict=True)
        seconds = {id: batch.times.get(id, second) for id, second in refs}
        gone = self._gone(transaction, lacking, seconds.values())
        return {plugin: _kept(ids, seconds, gone.get(plugin, ())) for plugin, ids in lacking.items()}

    def of_one(self, transaction: Transaction, plugin: str, seconds: Mapping[str, int]) -> list[str]:
        """Return the ids of the messages whose windows in a plugin's table are kept.

        :param seconds: by which each message counts, by id
        """
        if min(seconds.values(), default=0) >= transaction.standing.kept_from:
            return list(seconds)
        gone = self._gone(transaction, [plugin], seconds.values())
        return _kept(seconds, seconds, gone.get(plugin, ()))

    def _gone(
        self, transaction: Transaction, plugins: Collection[str], seconds: Collection[int]
    ) -> dict[str, list[Span]]:
        """Return what is not kept of each plugin's table, of the time in which some seconds lie."""
        if not seconds:
            return {}
        tables = {plugin: self._tables[plugin] for plugin in plugins if plugin in self._tables}
        span = Span(min(seconds), max(seconds) + 1)
        found = not_kept(transaction.connection, set(tables.values()), span)
        return {plugin: found[table] for plugin, table in tables.items()}


def _kept(ids: Collection[str], seconds: Mapping[str, int], gone: Sequence[Span]) -> list[str]:
    return [id for id in ids if not any(seconds[id] in span for span in gone)]
