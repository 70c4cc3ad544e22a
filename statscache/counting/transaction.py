"""What belongs to one transaction in which plugins count, and ends with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from statscache.counting.notifications import Changes
from statscache.database.keep_alive import KeepAlive
from statscache.database.round_trip import RoundTrip
from statscache.database.trouble import is_the_statements
from statscache.span import Span
from statscache.store.coverage import cover
from statscache.store.failure import Failure
from statscache.store.standing import Standing
from statscache.store.versions import note_versions

#: What a transaction is for: new messages, or what is in the quarantine.
Work = Literal["flushes", "retries"]


@dataclass(frozen=True)
class Outcome:
    """What one plugin has done in a transaction.

    :param processed: how many messages it has counted, or looked at and left
    :param errors: what it failed with, for each message that it was tried on and did not take
    """

    plugin: str
    processed: int
    errors: list[str]


@dataclass(frozen=True)
class Transaction:
    """A transaction under way.

    :param tables: the table of each plugin that has one
    :param standing: what it asked before it writes
    :param round_trip: what is sent with the COMMIT; None where nobody else counts meanwhile
    :param joining: the plugins whose upserts go with the COMMIT
    :param changes: which windows of which tables it changes
    :param outcomes: what each plugin has done in it
    :param spans: which time some plugins have counted any of
    """

    connection: Connection
    alive: KeepAlive
    tables: Mapping[str, str]
    standing: Standing
    work: Work = "flushes"
    round_trip: RoundTrip | None = None
    joining: set[str] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)
    outcomes: list[Outcome] = field(default_factory=list)
    spans: dict[frozenset[str], list[Span]] = field(default_factory=dict)

    def at_the_end(self) -> AbstractContextManager[None]:
        """Have the statements that are executed meanwhile, and return nothing, sent with the COMMIT if others count."""
        return self.round_trip.taking() if self.round_trip else nullcontext()

    def cover(self, plugins: Collection[str], span: Span | None, late: int = 0, within: Any = None) -> None:
        """Note that these plugins have counted, and covered a span, as `statscache.store.coverage.cover` does."""
        cover(self.connection, plugins, span, late, within=within)
        self.count(plugins, [span] if span else ())
        self.changes.cover(self.tables[plugin] for plugin in plugins if plugin in self.tables)

    def count(self, plugins: Collection[str], spans: Iterable[Span]) -> None:
        """Note that these plugins have counted, or may have, what came of some time."""
        if self.standing.versions:
            self.spans.setdefault(frozenset(plugins), []).extend(spans)

    def is_made_again_after(self, error: BaseException) -> bool:
        """Return whether all of this is tried again alone if it ends by an error."""
        return self.round_trip is not None and isinstance(error, DBAPIError) and is_the_statements(error)

    def commit(self) -> None:
        """Tell those who listen what has changed, and commit where whoever has begun it does not."""
        with self.at_the_end():
            self._note_versions()
        if self.round_trip is None:
            self.changes.tell(self.connection)
            return
        self.changes.add(self.round_trip.changes)
        with self.at_the_end():
            self.changes.send(self.connection)
        self.round_trip.commit()

    def _note_versions(self) -> None:
        for plugins, spans in self.spans.items():
            known = self.standing.versions
            versions = {its: known[its] for its in sorted(plugins & known.keys())}
            note_versions(self.connection, versions, spans)

    def note(self, plugin: str, messages: int, failures: Mapping[str, Failure]) -> None:
        """Note what a plugin has done.

        :param messages: how many it was to count
        :param failures: why, for those that it did not
        """
        errors = [failure.error for failure in failures.values() if failure.tried]
        self.outcomes.append(Outcome(plugin, messages - len(failures), errors))
