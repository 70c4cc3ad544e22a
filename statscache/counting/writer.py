"""The transaction in which messages become rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, Engine

from statscache.counting.checks import Checks
from statscache.counting.doubt import doubt, doubt_seconds
from statscache.counting.keeping import Keeping, released
from statscache.counting.losses import write_losses
from statscache.counting.not_kept import LeavingOut
from statscache.counting.notifications import telling
from statscache.counting.overlap import MARGIN_S, Missing, horizon, lacking_ids, other_times, without_covered
from statscache.counting.putting_off import put_off
from statscache.counting.share import Share, share_of
from statscache.counting.sharing import succeeds
from statscache.counting.transaction import Transaction, Work
from statscache.counting.update import PluginUpdates
from statscache.database.clock import began
from statscache.database.keep_alive import KeepAlive
from statscache.database.lock import counting, counting_shared
from statscache.database.round_trip import RoundTrip
from statscache.database.timing import RowCount
from statscache.hosting.runner import Runner
from statscache.intake.batch import Batch, OldBatch
from statscache.messages.message import Naming
from statscache.span import Span
from statscache.store import kept_back, ledger, quarantine
from statscache.store.buses import Buses
from statscache.store.continuity import Continuity
from statscache.store.coverage import lacking, lock_coverage
from statscache.store.failure import Failure
from statscache.store.positions import store_position
from statscache.store.remade import since_emptied


class Writer:
    """Writes batches, each in one transaction, with a savepoint for each plugin.

    :param updates: lets the plugins write
    :param keep: how far the ledger reaches back
    :param checks: what each transaction looks at before it writes
    """

    def __init__(
        self,
        engine: Engine,
        runners: Sequence[Runner],
        updates: PluginUpdates,
        naming: Naming,
        keep: timedelta,
        checks: Checks,
    ) -> None:
        self._engine = engine
        self._runners = {runner.ident: runner for runner in runners}
        self._tables = {runner.ident: runner.table for runner in runners if runner.table}
        self._leaving_out = LeavingOut(runners)
        self._updates = updates
        self._naming = naming
        self._keep = keep
        self._checks = checks
        #: How many messages were in the ledger already, since the start.
        self.duplicates = 0
        #: What has been done since the start.
        self.measures = updates.measures

    @property
    def plugins(self) -> frozenset[str]:
        """The idents of the plugins."""
        return frozenset(self._runners)

    def renew_connections(self) -> None:
        """Give up all connections to the database, so that the next transaction begins with a new one."""
        self._engine.dispose()

    def write(self, batch: Batch, continuity: Continuity, buses: Buses, keeping: Keeping) -> None:
        """Write a batch: each message counts, for each plugin that has not yet counted it, or is quarantined.

        :param continuity: of the daemon whose batch it is
        :param buses: limits what it covers to what other buses have brought
        :param keeping: keeps back copies of it
        :raises WentBack: if the database has lost what it had committed; then nothing is written
        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        flush = partial(self._flush, batch, continuity, buses, keeping)
        if not (self._may_share(batch, continuity) and succeeds(partial(flush, shared=True))):
            flush()

    def _may_share(self, batch: Batch, continuity: Continuity) -> bool:
        """Return whether a batch only adds new messages and what was heard: copies limit what others may cover."""
        is_new = batch.spool.id == continuity.spool and not (batch.old or batch.copies.refs)
        return is_new and not (batch.losses or batch.spool.loss) and batch.spool.plugins <= self.plugins

    def _flush(
        self, batch: Batch, continuity: Continuity, buses: Buses, keeping: Keeping, shared: bool = False
    ) -> None:
        start = time.monotonic()
        with self._counting(batch, shared=shared) as transaction:
            connection = transaction.connection
            own = batch.spool.id == continuity.spool
            heard = keeping.limit(connection, batch)
            batch.heard = continuity.write(connection, batch.end if own else None, heard)
            rows = RowCount(connection)
            everyone = self.plugins | batch.spool.plugins
            copies = keeping.keep(connection, batch, everyone)
            known = sum(self._enter(transaction, part, everyone) for part in (batch, copies) if part.refs)
            if not own:
                store_position(connection, batch.spool.id, batch.end)
            self._cover(transaction, buses, batch, own)
            loss = write_losses(connection, batch, self.plugins)
        continuity.committed()
        self.duplicates += known
        self.measures.flushed(time.monotonic() - start, rows.rows, batch.seconds + copies.seconds)
        if loss:
            batch.spool.forget_loss(loss)

    def _cover(self, transaction: Transaction, buses: Buses, batch: Batch, own: bool) -> None:
        """Note that all plugins have counted, what was heard, and what of it is covered."""
        connection = transaction.connection
        with transaction.at_the_end():
            lock_coverage(connection, self.plugins)
            if batch.heard:
                buses.note(connection, self.plugins, batch.heard)
            if own:
                buses.sign(connection, batch.spool.id)
            transaction.cover(self.plugins, batch.heard, batch.late, since_emptied(buses.common()))

    def write_slice(self, batch: OldBatch, span: Span, plugins: frozenset[str]) -> int:
        """Write all messages of a span: they count for those of the plugins that have covered nothing of it.

        :return: for how many plugins; 0 if others have been faster
        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        with self._counting(batch) as transaction:
            connection = transaction.connection
            if not (plugins := lacking(connection, plugins, span)):
                return 0
            if batch.refs:
                remember = span.stop > kept_back.from_when(connection, self._horizon(connection) - MARGIN_S)
                missing = ledger.enter(connection, batch.refs, batch.seconds, plugins, remember)
                self._count_missing(transaction, batch, plugins, missing)
            transaction.cover(plugins, span)
        return len(plugins)

    def write_loose(self, batch: OldBatch, plugins: frozenset[str] | None = None) -> int:
        """Write messages of the past that are not all of any span, and return how many every plugin had already.

        A plugin that does not want a message need not have it: an archive is not asked for that.

        :param plugins: None for all
        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        with self._counting(batch) as transaction:
            connection = transaction.connection
            plugins = self.plugins if plugins is None else plugins
            missing = ledger.enter(connection, batch.refs, batch.seconds, plugins)
            missing = without_covered(connection, batch, plugins, missing, self._horizon(connection))
            self._count_missing(transaction, batch, plugins, missing)
            transaction.cover(plugins, None)
        return sum(not self._any_wants(batch.refs[id].topic, its) for id, its in missing.items())

    def _any_wants(self, topic: str, plugins: frozenset[str]) -> bool:
        return any(self._runners[plugin].wants(topic) for plugin in plugins)

    def release(self) -> None:
        """Count copies that were kept back and whose time is over, but for what plugins have counted meanwhile.

        :raises Exception: if the transaction failed; then all are still kept back
        """
        with self._counting() as transaction:
            for plugins, batch in released(transaction.connection, self._naming, self.plugins).items():
                self._enter(transaction, batch, plugins)

    def retry(self, plugin: str, chosen: quarantine.Chosen) -> int:
        """Try messages in the quarantine again, and return how many of them count now.

        :param chosen: selects `plugin` and `msg_id`, all of that plugin
        :raises Exception: if the transaction failed; then all are still in the quarantine
        """
        with self._counting(work="retries") as transaction:
            patients = quarantine.take(transaction.connection, chosen, self._naming)
            failures: Mapping[str, Failure] = {}
            seconds = {id: its.message.second for id, its in patients.items()}
            if kept := self._leaving_out.of_one(transaction, plugin, seconds):
                share = Share(kept, lambda ids: (patients[id].message for id in ids))
                failures = self._updates.count(transaction, self._runners[plugin], share, patients)
                doubt_seconds(transaction, {plugin}, {*seconds.values()})
            quarantine.forget_bodies(transaction.connection, patients)
            transaction.cover({plugin}, None)
        return len(patients) - len(failures)

    @contextmanager
    def _counting(
        self, batch: Batch | OldBatch | None = None, work: Work = "flushes", shared: bool = False
    ) -> Iterator[Transaction]:
        """Give a transaction; if it fails no plugin keeps anything of it, else those who listen are told of it.

        :param batch: what plugins have taken before it, if anything
        :param shared: whether others may count meanwhile
        """
        try:
            begin = partial(counting_shared, question=self._checks.question) if shared else counting
            with begin(self._engine) as connection:
                standing = self._checks.run(connection, batch)
                trip, alive = RoundTrip(connection, telling) if shared else None, KeepAlive(connection)
                transaction = Transaction(connection, alive, self._tables, standing, work, trip)
                yield transaction
                transaction.commit()
        except BaseException:
            for runner in self._runners.values():
                runner.discard()
            raise
        self.measures.committed(transaction.outcomes)

    def _enter(self, transaction: Transaction, batch: Batch | OldBatch, everyone: frozenset[str]) -> int:
        """Write all that the batch comes to, and return how many of its messages some plugin had already.

        :param everyone: the plugins that are to count it; those that are not here do so later
        """
        connection = transaction.connection
        missing = ledger.enter(connection, batch.refs, batch.seconds, everyone)
        if isinstance(batch, Batch) and batch.old:
            missing = without_covered(connection, batch, everyone, missing, self._horizon(connection))
        self._count_missing(transaction, batch, everyone & self.plugins, missing)
        put_off(transaction, batch, everyone - self.plugins, missing)
        return len(missing)

    def _horizon(self, connection: Connection) -> float:
        return horizon(self._keep, began(connection))

    def _count_missing(
        self, transaction: Transaction, batch: Batch | OldBatch, plugins: frozenset[str], missing: Missing
    ) -> None:
        """Let each of the plugins count what it lacks of the batch."""
        batch.times = other_times(transaction.connection, batch, missing)
        doubt(transaction, batch, plugins, missing)
        new = {its: lacking_ids(batch, missing, its) for its in self._runners if its in plugins}
        lacking = self._leaving_out.of_batch(transaction, batch, new)
        shares = {self._runners[its]: share_of(batch, its, ids) for its, ids in lacking.items() if ids}
        writing = [runner for runner, share in shares.items() if runner.writes(share.taken)]
        idle = [runner for runner in shares if runner not in writing]
        for runner in [*self._updates.arrange(transaction, writing), *idle]:
            self._updates.count(transaction, runner, shares[runner])
