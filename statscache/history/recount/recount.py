"""Counting again what an archive has, beside the figures that there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, extract, func, literal, or_, select
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from statscache.errors import StatscacheError
from statscache.history.archives.archive import Archive, Hole, Slice
from statscache.history.plan import pieces
from statscache.history.recount.shadow import Shadow, analyze, shadow
from statscache.history.recount.targets import Target
from statscache.messages.message import Message
from statscache.span import Span, clipped, without
from statscache.store.coverage import uncover
from statscache.store.ledger import LedgerRow, PluginSet
from statscache.store.quarantine_tables import QuarantineRow

#: Called with the seconds and the messages that were counted since the last call.
Advance = Callable[[int, int], None]
Spans = Mapping[Target, Sequence[Span]]
#: Messages whose seconds lie this close together are fetched together.
NEAR = 60


def fetched(spans: Spans) -> Spans:
    """Return of which time messages are needed for the windows of each table."""
    return {target: target.fetched(its) for target, its in spans.items()}


@dataclass
class Recount:
    """Counts spans of tables again in a shadow.

    :param spans: what to count again of each table; those of one table do not overlap
    :param strict: whether all is in vain if the archive does not give all
    """

    archive: Archive
    shadow: Shadow
    spans: Spans
    advance: Advance = lambda seconds, messages: None
    strict: bool = False
    #: What the archive did not give.
    holes: list[Hole] = field(default_factory=list)

    def fetch(self) -> None:
        """Count all.

        :raises StatscacheError: if the archive cannot be used, or does not give all and is to
        """
        self._fetch(self.spans)
        with self.shadow.beside() as connection:
            analyze(connection, [LedgerRow, *(table for target in self.spans for table in target.tables)])

    def unseen(self, connection: Connection) -> dict[Target, dict[str, int]]:
        """Return the messages that the plugins of each table have counted and that did not come from the archive.

        :param connection: in a transaction of `Shadow.beside`
        :return: their seconds by their ids; without tables for which there are none
        """
        found: dict[Target, dict[str, int]] = {}
        for spans, targets in self._alike().items():
            plugins = frozenset[str]().union(*(target.plugins for target in targets))
            for number, second, its in connection.execute(_unseen(plugins, spans)):
                for target in targets:
                    if target.plugins & set(its):
                        found.setdefault(target, {})[number] = second
        return found

    def fetch_again(self, unseen: Mapping[Target, Mapping[str, int]]) -> None:
        """Ask the archive again for messages that did not come, and count those that do now.

        It is also asked for a time around theirs, which it may have by the time of another copy.
        """
        again = {target: _around(self.spans[target], its.values()) for target, its in unseen.items()}
        for target, spans in again.items():
            for span in spans:
                with self.shadow.own() as connection:
                    uncover(connection, target.plugins, span)
        self._fetch(again)
        self._fetch_around(unseen)

    def failed(self, connection: Connection) -> dict[Target, str]:
        """Return why plugins could not be counted again: what they raised for so many messages that no more were tried.

        :param connection: in a transaction of `Shadow.beside`
        """
        kept = shadow(QuarantineRow)
        put_off = select(kept.c.plugin).where(kept.c.attempts == 0)
        last = (
            select(kept.c.plugin, func.max(kept.c.error))
            .where(kept.c.plugin.in_(put_off), kept.c.attempts > 0)
            .group_by(kept.c.plugin)
        )
        errors: dict[str, str] = dict(connection.execute(last).all())
        return {
            target: f"{plugin}: {errors[plugin]}"
            for target in self.spans
            for plugin in sorted(target.plugins & errors.keys())
        }

    def _fetch(self, spans: Spans) -> None:
        wanted = {plugin: its for target, its in spans.items() for plugin in target.plugins}
        for piece in pieces(wanted):
            for part in self.archive.slices(piece.span):
                if isinstance(part, Hole):
                    if self.strict:
                        raise StatscacheError(f"nothing was changed: {part.reason}")
                    self.holes.append(part)
                    continue
                self.advance(part.span.seconds, self._count(part, piece.plugins))

    def _count(self, part: Slice, plugins: frozenset[str]) -> int:
        """Count a slice, and return how many messages it has.

        A message that was counted by another second than the archive has counts by that one here: it is then in the
        windows in which it was counted, and in no others.
        """
        messages = self.shadow.messages(part)
        moved = self.shadow.moved(messages)
        elsewhere = {message.id for message in moved}
        stay = [message for message in messages if message.id not in elsewhere]
        self.shadow.count(stay, part.span, plugins)
        self._count_moved(moved)
        return len(messages)

    def _count_moved(self, messages: Sequence[Message]) -> None:
        """Count messages for the tables in whose spans they are."""
        for target, spans in self.spans.items():
            its = [message for message in messages if any(message.second in span for span in spans)]
            if its:
                self.shadow.count_loose(its, target.plugins)

    def _fetch_around(self, unseen: Mapping[Target, Mapping[str, int]]) -> None:
        """Ask the archive for messages beyond the spans, as far from their seconds as a message may be late."""
        ids = {number for its in unseen.values() for number in its}
        seconds = {second for its in unseen.values() for second in its.values()}
        reach = math.ceil(self.shadow.app.settings.lateness)
        for span in _beyond((span for spans in self.spans.values() for span in spans), seconds, reach):
            for part in self.archive.slices(span):
                if isinstance(part, Slice):
                    found = [message for message in self.shadow.messages(part) if message.id in ids]
                    self._count_moved(self.shadow.moved(found))

    def _alike(self) -> dict[tuple[Span, ...], list[Target]]:
        """Return the tables that are counted again in the same spans, by these."""
        alike: dict[tuple[Span, ...], list[Target]] = {}
        for target, spans in self.spans.items():
            if spans:
                alike.setdefault(tuple(spans), []).append(target)
        return alike


def inside(column: Any, spans: Iterable[Span]) -> Any:
    """Return whether an instant lies in one of the spans."""
    ranges = ",".join(f"[{_text(span.start)},{_text(span.stop)})" for span in spans)
    return cast(literal("{" + ranges + "}"), TSTZMULTIRANGE).contains(column)


def second_of(column: Any) -> Any:
    """Return the whole second of an instant, since 1970."""
    return cast(func.floor(extract("epoch", column)), BigInteger)


def _unseen(plugins: frozenset[str], spans: Sequence[Span]) -> Any:
    """Return what selects ids, seconds and plugins of messages that were counted and are not in the shadow."""
    seen, seen_sets = shadow(LedgerRow), shadow(PluginSet)
    recounted = (
        select(1)
        .join_from(seen, seen_sets, seen_sets.c.id == seen.c.plugin_set)
        .where(seen.c.msg_id == LedgerRow.msg_id, or_(*(seen_sets.c.plugins.contains([p]) for p in plugins)))
    )
    return (
        select(LedgerRow.msg_id, second_of(LedgerRow.timestamp), PluginSet.plugins)
        .join(PluginSet, PluginSet.id == LedgerRow.plugin_set)
        .where(
            PluginSet.plugins.overlap(list(plugins)), inside(LedgerRow.timestamp, spans), ~recounted.exists()
        )
    )


def _around(spans: Iterable[Span], seconds: Iterable[int]) -> list[Span]:
    """Return the parts of spans that have these seconds, which lie in them."""
    near: list[Span] = []
    for second in sorted(seconds):
        if near and second < near[-1].stop + NEAR:
            near[-1] = Span(near[-1].start, second + 1)
        else:
            near.append(Span(second, second + 1))
    return clipped(spans, near)


def _beyond(spans: Iterable[Span], seconds: Iterable[int], reach: int) -> list[Span]:
    """Return what lies as near to these seconds as the reach, and in none of the spans."""
    near: list[Span] = []
    for second in sorted(seconds):
        start, stop = max(second - reach, 0), second + reach + 1
        if near and start <= near[-1].stop:
            near[-1] = Span(near[-1].start, stop)
        else:
            near.append(Span(start, stop))
    spans = list(spans)
    return [part for span in near for part in without(span, spans)]


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
