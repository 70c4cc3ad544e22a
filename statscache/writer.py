"""The transaction in which messages become rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from statscache import ledger, quarantine
from statscache.batch import Batch, Taken
from statscache.coverage import record_loss
from statscache.db import counting, first_line, guarded, is_database_trouble, may_be_the_statements
from statscache.message import Message, Naming
from statscache.progress import store_position
from statscache.quarantine import Failure, Patient, failure
from statscache.runner import Runner
from statscache.stopwatch import Stopwatch
from statscache.suspension import Suspensions
from statscache.watchdog import Watch

log = logging.getLogger(__name__)

#: So many messages that fail alone are looked for in one flush; past that the plugin is suspended.
MOST = 20
#: A plugin that got nothing done in so many flushes in a row, or took too long in so many, is suspended.
BARREN, SLOW, TIMED_OUT = 5, 3, 5
PUT_OFF = Failure("put off: the plugin was suspended before it was tried", tried=False)
ABSENT = Failure("put off: the daemon that counted it has no such plugin", tried=False)

Read = Callable[[Iterable[str]], Iterator[Message]]


class Record:
    """How a plugin has done lately: how often in a row it failed in each way."""

    def __init__(self) -> None:
        self.barren = self.slow = self.timed_out = 0


class Writer:
    """Writes batches, each in one transaction, with a savepoint for each plugin.

    :param budget: how long in seconds a plugin may take in one flush, its statements left out
    """

    def __init__(
        self,
        engine: Engine,
        runners: Sequence[Runner],
        suspensions: Suspensions,
        naming: Naming,
        budget: float,
        watch: Watch,
    ) -> None:
        self._engine = engine
        self._runners = {runner.ident: runner for runner in runners}
        self._records = {runner.ident: Record() for runner in runners}
        self._suspensions = suspensions
        self._naming = naming
        self._budget = budget
        self._watch = watch
        #: How many messages were in the ledger already, since the start.
        self.duplicates = 0

    @property
    def plugins(self) -> frozenset[str]:
        """The idents of the plugins."""
        return frozenset(self._runners)

    def write(self, batch: Batch) -> None:
        """Write a batch: each message counts, for each plugin that has not yet counted it, or is quarantined.

        :raises Exception: if the transaction failed, whatever made it; then nothing is written
        """
        with self._counting() as connection:
            if batch.refs:
                self._write_messages(connection, batch)
            store_position(connection, batch.spool.id, batch.end)
            loss = batch.spool.loss
            if loss:
                record_loss(connection, batch.spool.id, loss)
        if loss:
            batch.spool.forget_loss(loss)

    def retry(self, plugin: str, chosen: quarantine.Chosen) -> int:
        """Try messages in the quarantine again, and return how many of them count now.

        :param chosen: selects `plugin` and `msg_id`, all of that plugin
        :raises Exception: if the transaction failed; then all are still in the quarantine
        """
        with self._counting() as connection:
            patients = quarantine.take(connection, chosen, self._naming)
            failures: Mapping[str, Failure] = {}
            if patients:
                messages = {id: patient.message for id, patient in patients.items()}
                read: Read = lambda ids: (messages[id] for id in ids)  # noqa: E731
                failures = self._count(
                    connection, self._runners[plugin], list(patients), read, None, patients
                )
            quarantine.forget_bodies(connection, patients)
        return len(patients) - len(failures)

    @contextmanager
    def _counting(self) -> Iterator[Connection]:
        """Give a connection in a transaction; if that fails no plugin keeps anything of it."""
        try:
            with counting(self._engine) as connection:
                yield connection
        except BaseException:
            for runner in self._runners.values():
                runner.discard()
            raise

    def _write_messages(self, connection: Connection, batch: Batch) -> None:
        absent = batch.spool.plugins - self.plugins
        missing = ledger.enter(connection, batch.refs, self.plugins | absent)
        self.duplicates += len(missing)
        for ident, runner in self._runners.items():
            ids = _missing(batch, missing, ident)
            if ids:
                taken = None if missing else batch.taken.get(ident)
                self._count(connection, runner, ids, batch.messages, taken)
        for ident in absent:
            put_off = dict.fromkeys(_missing(batch, missing, ident), ABSENT)
            quarantine.put(connection, ident, batch.messages(put_off), put_off)

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
        if self._suspensions.holds(runner.ident):
            failures: Mapping[str, Failure] = dict.fromkeys(ids, PUT_OFF)
        else:
            failures = self._attempt(connection, runner, ids, read, taken)
            if before is None or self._suspensions.unproven(runner.ident):
                self._judge(runner.ident, len(ids), failures)
        if failures:
            quarantine.put(connection, runner.ident, read(failures), failures, before)
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
            self._watch.begin(runner.ident, stopwatch)
            self._update(connection, runner, taken)
            self._records[runner.ident].timed_out = 0
        except PluginError:
            runner.discard()
            raise
        except Exception as error:
            self._blame(runner.ident, error)
            raise
        finally:
            self._watch.end()
            self._time(runner.ident, stopwatch.seconds + (taken.seconds if taken else 0))
        return taken.failures

    def _take(self, runner: Runner, ids: Sequence[str], read: Read) -> Taken:
        try:
            return runner.take(lambda: self._watched(runner.ident, read(ids)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
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
        session = Session(connection, join_transaction_mode="create_savepoint")
        try:
            with guarded(connection):
                runner.update(session, taken)
                session.commit()
                session.close()
                savepoint.commit()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if is_database_trouble(error) or connection.invalidated:
                raise
            if not (
                transaction and transaction.is_active
            ):  # it tried to end it, which leaves nothing to go on with
                connection.invalidate()
                raise
            session.rollback()
            session.close()
            savepoint.rollback()
            raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error

    def _judge(self, ident: str, count: int, failures: Mapping[str, Failure]) -> None:
        """Suspend a plugin that gets nothing done, and end the suspension of one that does."""
        record = self._records[ident]
        tried = _tried(failures)
        if len(failures) < count:
            record.barren = 0
            if not failures and not self._suspensions.holds(ident):  # it may have been too slow just now
                self._suspensions.lift(ident)
        else:
            record.barren += 1
        if len(failures) > tried or record.barren >= BARREN or (record.barren and tried > MOST):
            record.barren = 0
            self._suspensions.suspend(ident, f"{tried} messages in a row failed")

    def _time(self, ident: str, seconds: float) -> None:
        """Warn of a plugin that takes longer than its budget, and suspend it when it does so again and again."""
        record = self._records[ident]
        if seconds <= self._budget:
            record.slow = 0
            return
        record.slow += 1
        log.warning("%s took %.1f s, and its budget is %.1f s", ident, seconds, self._budget)
        if record.slow >= SLOW:
            record.slow = 0
            self._suspensions.suspend(
                ident, f"it took {seconds:.1f} s, and its budget is {self._budget:.1f} s"
            )

    def _blame(self, ident: str, error: Exception) -> None:
        """Suspend a plugin in which one transaction after the other ends that should not have.

        A statement that took too long is the database's trouble, but not when it is always the same plugin's.
        """
        record = self._records[ident]
        if is_database_trouble(error) and not may_be_the_statements(error):
            return
        record.timed_out += 1
        if record.timed_out >= TIMED_OUT:
            record.timed_out = 0
            self._suspensions.suspend(ident, f"{TIMED_OUT} flushes in a row ended in it: {first_line(error)}")


class PluginError(Exception):
    """A plugin's `update` failed; the cause is what it raised."""


def _missing(batch: Batch, missing: Mapping[str, frozenset[str]], ident: str) -> list[str]:
    """Return the ids of the batch's messages that the plugin has not yet."""
    if not missing:
        return list(batch.refs)
    return [id for id in batch.refs if id not in missing or ident in missing[id]]


def _tried(failures: Mapping[str, Failure]) -> int:
    return sum(failure.tried for failure in failures.values())
