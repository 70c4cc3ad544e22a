"""Letting one plugin after the other write, each in a savepoint of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from statscache.counting.joining import Joining
from statscache.counting.measures import Measures
from statscache.counting.share import Share
from statscache.counting.transaction import Transaction
from statscache.database.guard import guarded, settle
from statscache.database.keep_alive import ConnectionLost
from statscache.database.timing import Stopwatch, Written
from statscache.database.trouble import first_line, is_database_trouble, is_elsewhere, is_writers_own
from statscache.errors import is_interrupt, loggable, number_of
from statscache.hosting.dispatch import Taken
from statscache.hosting.runner import Runner
from statscache.hosting.surroundings import SURROUNDINGS
from statscache.hosting.suspension_policy import MOST, SuspensionPolicy
from statscache.hosting.watchdog import Watch
from statscache.messages.message import Message
from statscache.spool.segment import SpoolUnreadable
from statscache.store import quarantine
from statscache.store.failure import Failure, failure
from statscache.store.quarantine import QuarantinedMessage

log = logging.getLogger(__name__)

PUT_OFF = Failure("put off: the plugin was suspended before it was tried", tried=False)


class PluginError(Exception):
    """A plugin's `process` or `update` failed as a whole; the cause is what it raised."""


class PluginUpdates:
    """Lets plugins write, and puts into the quarantine what they cannot.

    :param policy: is told how each plugin does
    :param watch: kept up to date with the plugin that is being called
    :param measures: is told how long each plugin takes
    """

    def __init__(self, policy: SuspensionPolicy, watch: Watch, measures: Measures) -> None:
        self.measures = measures
        self._joining = Joining()
        self._policy = policy
        self._watch = watch

    def arrange(self, transaction: Transaction, runners: Sequence[Runner]) -> list[Runner]:
        """Return plugins in the order in which they are to write, having locked what must be locked for that."""
        return self._joining.arrange(transaction, runners)

    def count(
        self,
        transaction: Transaction,
        runner: Runner,
        share: Share,
        before: Mapping[str, QuarantinedMessage] | None = None,
    ) -> Mapping[str, Failure]:
        """Let a plugin count messages, and put those that it cannot into the quarantine.

        :param before: the messages that have just been taken out of the quarantine
        :return: why, for each message that is in the quarantine now
        """
        if self._policy.holds(runner.ident):
            failures: Mapping[str, Failure] = dict.fromkeys(runner.wanted(share.ids, share.read), PUT_OFF)
        else:
            failures = self._attempt(transaction, runner, share)
            note = self._policy.counted if before is None else self._policy.retried
            note(runner.ident, len(share.ids), failures)
        transaction.note(runner.ident, len(share.ids), failures)
        if failures:
            messages = share.read(failures)
            quarantine.put(transaction.connection, [runner.ident], messages, failures, before)
        return failures

    def _attempt(self, transaction: Transaction, runner: Runner, share: Share) -> Mapping[str, Failure]:
        """Let a plugin write all messages together, or else all that do not fail alone.

        :raises PluginError: if it failed while others count, too
        """
        try:
            return self._write_together(transaction, runner, share)
        except PluginError as error:
            self._joining.failed(runner)
            if transaction.round_trip:
                raise
            log.error(
                "%s could not write %s, those that fail alone go to the quarantine: %s",
                runner.ident,
                number_of(len(share.ids), "message"),
                error,
                exc_info=loggable(error.__cause__),
            )
            return self._narrow(transaction, runner, share, error)

    def _narrow(
        self, transaction: Transaction, runner: Runner, share: Share, error: PluginError
    ) -> dict[str, Failure]:
        """Let a plugin write ever smaller parts of messages that it could not write together."""
        failures: dict[str, Failure] = {}
        alone = 0
        parts = [(share, error)]
        while parts:
            some, error = parts.pop()
            if len(some.ids) == 1:
                failures[some.ids[0]] = failure(error.__cause__ or error)
                alone += 1
                continue
            for part in reversed(some.halves()):
                if alone >= MOST:
                    failures |= dict.fromkeys(part.ids, PUT_OFF)
                    continue
                try:
                    failures |= self._write_together(transaction, runner, part)
                except PluginError as again:
                    parts.append((part, again))
        return failures

    def _write_together(
        self, transaction: Transaction, runner: Runner, share: Share
    ) -> Mapping[str, Failure]:
        """Let a plugin write messages in a savepoint.

        :return: why, for each message that the plugin's `process` refused
        :raises PluginError: if its `update` failed; then it has written nothing
        """
        transaction.alive.beat()
        stopwatch, taken = Stopwatch(transaction.connection), share.taken
        try:
            if taken is None:
                self._watch.begin(runner.ident)
                taken = self._take(transaction, runner, share)
            if runner.writes(taken):
                self._watch.begin(runner.ident, stopwatch)
                write = join_table if runner.ident in transaction.joining else update_table
                write(transaction, runner, taken)
            self._policy.updated(runner.ident, transaction.work)
        except PluginError:
            runner.discard()
            raise
        except (SpoolUnreadable, ConnectionLost):
            raise
        except Exception as error:
            if not transaction.is_made_again_after(error):
                self._policy.ended(runner.ident, transaction.work, error)
            raise
        finally:
            self._end(runner.ident, stopwatch, taken)
        return taken.failures

    def _take(self, transaction: Transaction, runner: Runner, share: Share) -> Taken:
        try:
            return runner.take(lambda: self._watched(transaction, runner.ident, share.read(share.ids)))
        except (SpoolUnreadable, ConnectionLost):
            raise  # it is not the plugin's
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error

    def _watched(
        self, transaction: Transaction, ident: str, messages: Iterator[Message]
    ) -> Iterator[Message]:
        for message in messages:
            transaction.alive.beat()
            self._watch.begin(ident)
            yield message

    def _end(self, ident: str, stopwatch: Stopwatch, taken: Taken | None) -> None:
        """Note that the plugin is called no more, and how long it took."""
        self._watch.end()
        SURROUNDINGS.put_back_quick()
        seconds = stopwatch.seconds + (taken.seconds if taken else 0)
        self._policy.took(ident, seconds)
        self.measures.took(ident, seconds, stopwatch.waited)


def update_table(transaction: Transaction, runner: Runner, taken: Taken) -> None:
    """Let a plugin update its table, in a savepoint and a session of its own.

    The order of the calls is what contains every way in which a plugin can leave its session.

    :raises PluginError: if the plugin failed; then it has written nothing
    :raises Exception: if the transaction cannot go on
    """
    connection = transaction.connection
    outer, savepoint = connection.get_transaction(), connection.begin_nested()
    written = Written(connection, runner.table)
    session = Session(connection, join_transaction_mode="create_savepoint")
    try:
        with guarded(connection):
            runner.update(session, taken)
            session.commit()
            session.close()
            settle(connection)
            savepoint.commit()
        transaction.changes.add(written.changes)
    except BaseException as error:
        own = is_elsewhere(error, connection) or is_writers_own(error)
        trouble = is_database_trouble(error) and not own
        if is_interrupt(error) or trouble or connection.invalidated:
            raise
        if not (outer and outer.is_active):
            connection.invalidate()  # it tried to end it, which leaves nothing to go on with
            raise
        session.rollback()
        session.close()
        savepoint.rollback()
        raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error


def join_table(transaction: Transaction, runner: Runner, taken: Taken) -> None:
    """Let a plugin write its table with the COMMIT.

    :raises PluginError: if the plugin failed
    """
    trip = transaction.round_trip
    assert trip is not None  # else none joins
    try:
        with trip.taking():
            runner.update(trip.session, taken)
    except Exception as error:
        raise PluginError(f"{type(error).__name__}: {first_line(error)}") from error
