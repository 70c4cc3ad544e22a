"""Decides which plugin is to be left alone for a while."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import shorten

from statscache.database.trouble import first_line, is_database_trouble, is_locked_out, may_be_the_statements
from statscache.errors import number_of
from statscache.hosting.suspensions import Suspensions
from statscache.store.failure import Failure

log = logging.getLogger(__name__)

#: So many messages that fail alone are looked for in one flush; past that the plugin is suspended.
MOST = 20
#: So many characters of the cause are named.
CAUSE = 200
#: A plugin is suspended that got nothing done in so many flushes in a row, or took too long in so many.
BARREN, SLOW = 5, 3
#: The same for a plugin in which so many transactions ended in a row by what a statement can cause, and by any
#: other trouble of the database, which is seldom any plugin's fault.
ENDED, ENDED_ANYHOW = 5, 20

#: Why a plugin is left alone whose table is another one now.
REMADE = "its table was made anew by `statscache upgrade --plugin`; start this again, in the version of that command"


@dataclass
class FailureRecord:
    """How often in a row a plugin has failed in each way.

    :param ended: of flushes, and of retries, which may have nothing in common
    """

    barren: int = 0
    slow: int = 0
    ended: Counter[str] = field(default_factory=Counter)


class SuspensionPolicy:
    """Watches how plugins do, and suspends those that do badly.

    :param budget: how long in seconds a plugin may take in one flush, its statements left out
    """

    def __init__(self, suspensions: Suspensions, budget: float) -> None:
        self._suspensions = suspensions
        self._budget = budget
        self._records: defaultdict[str, FailureRecord] = defaultdict(FailureRecord)

    def holds(self, plugin: str) -> bool:
        """Return whether the plugin is to be left alone now."""
        return self._suspensions.holds(plugin)

    def leave_out(self, plugins: Iterable[str]) -> None:
        """Leave plugins alone whose tables are not those any more with which this process began."""
        for plugin in plugins:
            self._suspensions.leave_out(plugin, REMADE)

    def counted(self, plugin: str, count: int, failures: Mapping[str, Failure]) -> None:
        """Suspend a plugin that gets nothing done, and end the suspension of one that does.

        :param count: how many messages it was to count
        :param failures: why, for those that it could not
        """
        record = self._records[plugin]
        tried = sum(failure.tried for failure in failures.values())
        record.barren = 0 if len(failures) < count else record.barren + 1
        if not failures and not self.holds(plugin):  # it may have been too slow just now
            self._suspensions.lift(plugin)
        if len(failures) > tried or record.barren >= BARREN or (record.barren and tried > MOST):
            record.barren = 0
            self._suspensions.suspend(plugin, _reason(tried, failures.values()))

    def retried(self, plugin: str, count: int, failures: Mapping[str, Failure]) -> None:
        """The same after a retry of its quarantine, which proves nothing against one that works otherwise."""
        if self._suspensions.unproven(plugin):
            self.counted(plugin, count, failures)

    def took(self, plugin: str, seconds: float) -> None:
        """Warn of a plugin that takes longer than its budget, and suspend it when it does so again and again."""
        record = self._records[plugin]
        if seconds <= self._budget:
            record.slow = 0
            return
        record.slow += 1
        reason = f"it took {seconds:.1f} s, more than its budget of {self._budget:.1f} s"
        log.warning("%s is slow: %s", plugin, reason)
        if record.slow >= SLOW:
            record.slow = 0
            self._suspensions.suspend(plugin, reason)

    def updated(self, plugin: str, work: str) -> None:
        """Note that no transaction ended in the plugin.

        :param work: what it was for: "flushes" or "retries"
        """
        self._records[plugin].ended[work] = 0

    def ended(self, plugin: str, work: str, error: Exception) -> None:
        """Suspend a plugin in which one transaction after the other ends that should not have.

        That is the database's trouble, but not when it is always the same plugin's. A lock that others hold is
        nobody's fault.
        """
        if is_locked_out(error):
            return
        ended = self._records[plugin].ended
        ended[work] += 1
        soon = not is_database_trouble(error) or may_be_the_statements(error)
        if ended[work] >= (ENDED if soon else ENDED_ANYHOW):
            reason = f"{ended[work]} {work} in a row failed in it: {first_line(error)}"
            ended[work] = 0
            self._suspensions.suspend(plugin, reason)


def _reason(tried: int, failures: Iterable[Failure]) -> str:
    """Return how many messages failed, and what most of them failed with."""
    errors = Counter(failure.error for failure in failures if failure.tried)
    [(error, _)] = errors.most_common(1) or [("", 0)]
    why = f": {shorten(error, CAUSE, placeholder=' …')}" if error else ""
    return f"{number_of(tried, 'message')} in a row failed{why}"
