"""The transaction in which messages become rows."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from statscache.counting.measures import Measures
from statscache.counting.notifications import Changes
from statscache.database.guard import guarded, settle
from statscache.database.lock import counting
from statscache.database.timing import RowCount, Stopwatch, Written
from statscache.database.trouble import first_line, is_database_trouble, is_elsewhere
from statscache.errors import is_interrupt
from statscache.hosting.dispatch import Taken
from statscache.hosting.runner import Runner
from statscache.hosting.suspension_policy import MOST, Judge
from statscache.hosting.watchdog import Watch
from statscache.intake.batch import Batch, OldBatch
from statscache.messages.message import Message, Naming
from statscache.span import Span
from statscache.store import ledger, quarantine
from statscache.store.coverage import cover, covered, lacking, record_loss
from statscache.store.failure import Failure, failure
from statscache.store.positions import store_position
from statscache.store.quarantine import Patient

log = logging.getLogger(__name__)

PUT_OFF = Failure("put off: the plugin was suspended before it was tried", tried=False)
ABSENT = Failure("put off: the daemon that counted it has no such plugin", tried=False)

DAY = 86400.0

Read = Callable[[Iterable[str]], Iterator[Message]]


class Writer:
    """Writes batches, each in one transaction, with a savepoint for each plugin.

    :param judge: is told how each plugin does
    :param watch: kept up to date with the plugin that is being called
    :param keep: how far the ledger reaches back
    """

    def __init__(
        self,
        engine: Engine,
        runners: Sequence[Runner],
        judge: Judge,
        naming: Naming,
        watch: Watch,
        keep: timedelta,
    ) -> None:
        self._engine = engine
        self._keep = keep
        self._runners = {runner.ident: runner for runner in runners}
        self._judge = judge
        self._naming = naming
        self._watch = watch
        self._changes = Changes()
        self._work = "flushes"
        #: How many messages were in the ledger already, since the start.
        self.duplicates = 0
        #: What has been done since the start.
        self.measures = Measures(self._runners)

    @property
    def plugins(self) -> frozenset[str]:
        """The idents of the plugins."""
        return frozenset(self._runners)

    def write(self, batch: Batch) -> None:
        """Write a batch: each message counts, for each plugin that has not yet counted it, or is quarantined.

        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        start = time.monotonic()
        with self._counting() as connection:
            rows = RowCount(connection)
            known = self._write_messages(connection, batch) if batch.refs else 0
            store_position(connection, batch.spool.id, batch.end)
            cover(connection, self.plugins, batch.heard, batch.late)
            loss = batch.spool.loss
            if loss:
                record_loss(connection, self.plugins, batch.spool.id, loss)
        self.duplicates += known
        self.measures.flushed(time.monotonic() - start, rows.rows, batch.seconds)
        if loss:
            batch.spool.forget_loss(loss)

    def write_slice(self, batch: OldBatch, span: Span, plugins: frozenset[str]) -> int:
        """Write all messages of a span: they count for those of the plugins that have covered nothing of it.

        :return: for how many plugins; 0 if others have been faster
        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        with self._counting() as connection:
            plugins = lacking(connection, plugins, span)
            if not plugins:
                return 0
            if batch.refs:
                remember = span.stop > self._horizon() - DAY
                missing = ledger.enter(connection, batch.refs, batch.seconds, plugins, remember)
                self._count_missing(connection, batch, plugins, missing)
            cover(connection, plugins, span)
        return len(plugins)

    def write_loose(self, batch: OldBatch) -> int:
        """Write messages of the past that are not all of any span, and return how many were known already.

        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        with self._counting() as connection:
            missing = ledger.enter(connection, batch.refs, batch.seconds, self.plugins)
            missing = self._less_covered(connection, batch, self.plugins, missing)
            self._count_missing(connection, batch, self.plugins, missing)
            cover(connection, self.plugins, None)
        return len(missing)

    def retry(self, plugin: str, chosen: quarantine.Chosen) -> int:
        """Try messages in the quarantine again, and return how many of them count now.

        :param chosen: selects `plugin` and `msg_id`, all of that plugin
        :raises Exception: if the transaction failed; then all are still in the quarantine
        """
        with self._counting("retries") as connection:
            patients = quarantine.take(connection, chosen, self._naming)
            failures: Mapping[str, Failure] = {}
            if patients:
                messages = {id: patient.message for id, patient in patients.items()}
                read: Read = lambda ids: (messages[id] for id in ids)  # noqa: E731
                failures = self._count(
                    connection, self._runners[plugin], list(patients), read, None, patients
                )
            quarantine.forget_bodies(connection, patients)
            cover(connection, {plugin}, None)
        return len(patients) - len(failures)

    @contextmanager
    def _counting(self, work: str = "flushes") -> Iterator[Connection]:
        """Give a connection in a transaction; if that fails no plugin keeps anything of it.

        Once it is committed, those who listen are told what has changed.
        """
        self.measures.begin()
        self._changes, self._work = Changes(), work
        try:
            with counting(self._engine) as connection:
                yield connection
                self._changes.tell(connection)
        except BaseException:
            for runner in self._runners.values():
                runner.discard()
            raise
        self.measures.committed()

    def _write_messages(self, connection: Connection, batch: Batch) -> int:
        """Write all that the batch comes to, and return how many of its messages some plugin had already."""
        absent = batch.spool.plugins - self.plugins
        everyone = self.plugins | absent
        missing = ledger.enter(connection, batch.refs, batch.seconds, everyone)
        if batch.old:
            missing = self._less_covered(connection, batch, everyone, missing)
        self._count_missing(connection, batch, self.plugins, missing)
        self._put_off(connection, batch, absent, missing)
        return len(missing)

    def _put_off(
        self,
        connection: Connection,
        batch: Batch,
        absent: Iterable[str],
        missing: Mapping[str, frozenset[str]],
    ) -> None:
        """Put what plugins lack that are not here into the quarantine, for a daemon that has them."""
        groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for ident in absent:
            groups[tuple(_missing(batch, missing, ident))].append(ident)
        for ids, idents in groups.items():
            quarantine.put(connection, idents, batch.messages(ids), dict.fromkeys(ids, ABSENT))

    def _count_missing(
        self,
        connection: Connection,
        batch: Batch | OldBatch,
        plugins: frozenset[str],
        missing: Mapping[str, frozenset[str]],
    ) -> None:
        """Let each of the plugins count what it lacks of the batch."""
        for ident, runner in self._runners.items():
            ids = _missing(batch, missing, ident) if ident in plugins else []
            if ids:
                taken = batch.taken.get(ident) if len(ids) == len(batch.refs) else None
                self._count(connection, runner, ids, batch.messages, taken)

    def _less_covered(
        self,
        connection: Connection,
        batch: Batch | OldBatch,
        plugins: frozenset[str],
        missing: Mapping[str, frozenset[str]],
    ) -> Mapping[str, frozenset[str]]:
        """Leave out what plugins have covered, for messages older than the ledger reaches.

        :param missing: as `ledger.enter` gives it
        """
        horizon = self._horizon()
        old = {id: second for id, second in zip(batch.refs, batch.seconds, strict=True) if second < horizon}
        if not old:
            return missing
        spans = covered(connection, plugins, Span(min(old.values()), max(old.values()) + 1))
        less = dict(missing)
        for has, plugins_with in _grouped(spans).items():
            for id, second in old.items():
                if any(second in span for span in has):
                    less[id] = less.get(id, plugins) - plugins_with
        return less

    def _horizon(self) -> float:
        """Return the oldest time, in seconds since 1970, that the ledger surely reaches back to."""
        return time.time() - self._keep.total_seconds()

    def _count(
        self,
        connection: Connection,
        runner: Runner,
        ids: Sequence[str],
        read: Read,
        taken: Taken | None,
        before: Mapping[str, Patient] | None = None,
    ) -> Mapping[str, Failure]:
        """Let a plugin count messages, and put those that it cannot into the quarantine.

        :param read: gives the messages with these ids
        :param taken: what the plugin has taken from exactly these messages already; None if it has not
        :param before: the messages that have just been taken out of the quarantine
        :return: why, for each message that is in the quarantine now
        """
        if self._judge.holds(runner.ident):
            failures: Mapping[str, Failure] = dict.fromkeys(runner.wanted(ids, read), PUT_OFF)
        else:
            failures = self._attempt(connection, runner, ids, read, taken)
            judge = self._judge.counted if before is None else self._judge.retried
            judge(runner.ident, len(ids), failures)
        self.measures.counted(runner.ident, len(ids), failures)
        if failures:
            quarantine.put(connection, [runner.ident], read(failures), failures, before)
        return failures

    def _attempt(
        self, connection: Connection, runner: Runner, ids: Sequence[str], read: Read, taken: Taken | None
    ) -> Mapping[str, Failure]:
        """Let a plugin write all messages together, or else all that do not fail alone."""
        try:
            return self._write_together(connection, runner, ids, read, taken)
        except PluginError as error:
            log.error(
                "%s could not write %d messages: %s", runner.ident, len(ids), error, exc_info=error.__cause__
            )
            return self._narrow(connection, runner, ids, read, error)

    def _narrow(
        self, connection: Connection, runner: Runner, ids: Sequence[str], read: Read, error: PluginError
    ) -> dict[str, Failure]:
        """Let a plugin write ever smaller parts of messages that it could not write together."""
        failures: dict[str, Failure] = {}
        alone = 0
        parts = [(ids, error)]
        while parts:
            some, error = parts.pop()
            if len(some) == 1:
                failures[some[0]] = failure(error.__cause__ or error)
                alone += 1
                continue
            for part in (some[len(some) // 2 :], some[: len(some) // 2]):
                if alone >= MOST:
                    failures |= dict.fromkeys(part, PUT_OFF)
                    continue
                try:
                    failures |= self._write_together(connection, runner, part, read)
                except PluginError as again:
                    parts.append((part, again))
        return failures

    def _write_together(
        self,
        connection: Connection,
        runner: Runner,
        ids: Sequence[str],
        read: Read,
        taken: Taken | None = None,
    ) -> Mapping[str, Failure]:
        """Let a plugin write messages in a savepoint.

        :return: why, for each message that the plugin's `process` refused
        :raises PluginError: if its `update` failed; then it has written nothing
        """
        stopwatch = Stopwatch(connection)
        try:
            if taken is None:
                self._watch.begin(runner.ident)
                taken = self._take(runner, ids, read)
            if runner.has_taken(taken):
                self._watch.begin(runner.ident, stopwatch)
                self._update(connection, runner, taken)
            self._judge.updated(runner.ident, self._work)
        except PluginError:
            runner.discard()
            raise
        except Exception as error:
            self._judge.ended(runner.ident, self._work, error)
            raise
        finally:
            self._watch.end()
            seconds = stopwatch.seconds + (taken.seconds if taken else 0)
            self._judge.took(runner.ident, seconds)
            self.measures.took(runner.ident, seconds, stopwatch.waited)
        return taken.failures

    def _take(self, runner: Runner, ids: Sequence[str], read: Read) -> Taken:
        try:
            return runner.take(lambda: self._watched(runner.ident, read(ids)))
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error

    def _watched(self, ident: str, messages: Iterator[Message]) -> Iterator[Message]:
        for message in messages:
            self._watch.begin(ident)
            yield message

    def _update(self, connection: Connection, runner: Runner, taken: Taken) -> None:
        """Let a plugin update its table.

        The order of the calls is what contains every way in which a plugin can leave its session.
        """
        transaction, savepoint = connection.get_transaction(), connection.begin_nested()
        written = Written(connection, runner.table)
        session = Session(connection, join_transaction_mode="create_savepoint")
        try:
            with guarded(connection):
                runner.update(session, taken)
                session.commit()
                session.close()
                settle(connection)
                savepoint.commit()
            self._changes.add(written.changes)
        except BaseException as error:
            trouble = is_database_trouble(error) and not is_elsewhere(error, connection)
            if is_interrupt(error) or trouble or connection.invalidated:
                raise
            if not (transaction and transaction.is_active):
                connection.invalidate()  # it tried to end it, which leaves nothing to go on with
                raise
            session.rollback()
            session.close()
            savepoint.rollback()
            raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error


class PluginError(Exception):
    """A plugin's `update` failed; the cause is what it raised."""


def _grouped(spans: Mapping[str, Sequence[Span]]) -> dict[tuple[Span, ...], frozenset[str]]:
    """Return the plugins that share the same spans together, without those that have none."""
    groups: defaultdict[tuple[Span, ...], set[str]] = defaultdict(set)
    for plugin, its in spans.items():
        groups[tuple(its)].add(plugin)
    return {its: frozenset(plugins) for its, plugins in groups.items() if its}


def _missing(batch: Batch | OldBatch, missing: Mapping[str, frozenset[str]], ident: str) -> list[str]:
    """Return the ids of the batch's messages that the plugin has not yet."""
    if not missing:
        return list(batch.refs)
    return [id for id in batch.refs if id not in missing or ident in missing[id]]
