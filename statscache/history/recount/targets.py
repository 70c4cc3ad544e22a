"""Which tables can be counted again, in which windows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select

from statscache.app import App
from statscache.errors import StatscacheError
from statscache.hosting.loader import Part
from statscache.plugins import BasePlugin, DurationPlugin, Rows
from statscache.plugins.episodes import Episodes
from statscache.schema.registry import PluginRow
from statscache.schema.tables import table_of
from statscache.span import Span, window_start
from statscache.store.coverage import wanted


@dataclass(frozen=True, eq=False)
class Target:
    """A table that is counted again, and the plugins that write it, which are counted together.

    :param length: of its windows, in seconds; 1 where it has none
    :param offset: where in such a length, counted from 1970, a window starts
    :param reach: how long before its start messages matter to a window, in seconds
    :param episodes: what makes windows of events; None where they come of messages alone
    """

    table: Table
    plugins: frozenset[str]
    rows: Rows
    length: int = 1
    offset: int = 0
    reach: int = 0
    episodes: Episodes | None = None

    @property
    def name(self) -> str:
        """What its plugins are called together."""
        return ", ".join(sorted({plugin.partition("/")[0] for plugin in self.plugins}))

    @property
    def tables(self) -> list[Table]:
        """All that its plugins write."""
        return [self.table, *([self.episodes.events] if self.episodes else [])]

    def fetched(self, spans: Iterable[Span]) -> list[Span]:
        """Return of which time messages are needed for spans of windows that do not overlap, oldest first."""
        found: list[Span] = []
        for span in sorted(spans):
            start = max(0, span.start - self.reach)
            if self.reach and found and start <= found[-1].stop:
                found[-1] = Span(found[-1].start, span.stop)
            else:
                found.append(Span(start, span.stop))
        return found

    def within(self, span: Span) -> list[Span]:
        """Return the windows, all as one span, that lie wholly in a span; none if there are none."""
        start = -window_start(-span.start, self.length, -self.offset)
        return _span(start, window_start(span.stop, self.length, self.offset))

    def from_start_of(self, span: Span) -> list[Span]:
        """The same, from that window on in which the span starts."""
        start, stop = (window_start(end, self.length, self.offset) for end in (span.start, span.stop))
        return _span(start, stop)


def _span(start: int, stop: int) -> list[Span]:
    return [Span(start, stop)] if start < stop else []


def wanted_since(connection: Connection, target: Target) -> int | None:
    """Return the second since which the table is to have every message of history; None if nobody knows."""
    return max(wanted(connection, target.plugins).values(), default=None)


class Unfit(StatscacheError):
    """A table that cannot be counted again; one sentence that says why."""


def choose(app: App, idents: Collection[str]) -> tuple[list[Target], list[str]]:
    """Return the tables of plugins, and a sentence for each that cannot be counted again.

    Plugins that write the same table can only be counted together, so with one come the others.

    :param idents: of plugins, or of the fronts of several; none for all that run
    :raises StatscacheError: if one does not run here
    """
    groups = defaultdict(list)
    for part in app.parts:
        groups[table_of(part)].append(part)
    chosen = [(table, parts) for table, parts in groups.items() if _meant(parts, idents)]
    _check(app, idents)
    targets, refused = [], []
    with app.engine.connect() as connection:
        for table, parts in chosen:
            try:
                targets.append(_target(connection, table, parts))
            except Unfit as reason:
                refused.append(str(reason))
    return targets, refused


def _check(app: App, idents: Collection[str]) -> None:
    for ident in idents:
        if not any(_names(ident, plugin) for plugin in app.plugins):
            raise StatscacheError(f"no plugin {ident!r} runs here: `statscache plugins` lists those that do")


def _meant(parts: Sequence[Part], idents: Collection[str]) -> bool:
    return not idents or any(_names(ident, part.ident) for ident in idents for part in parts)


def _names(ident: str, plugin: str) -> bool:
    return plugin == ident or plugin.startswith(f"{ident}/")


def _target(connection: Connection, table: Table | None, parts: Sequence[Part]) -> Target:
    """Return what to count again of a table.

    :raises Unfit: if that cannot be
    """
    plugins = frozenset(part.ident for part in parts)
    names = ", ".join(sorted(plugins))
    if table is None:
        raise Unfit(f"{names} cannot be counted again: it has no table")
    shapes = {(part.plugin.rows, *_windows(part.plugin)) for part in parts}
    rows, length, offset, reach = shapes.pop()
    if rows is None or shapes:
        raise Unfit(
            f"{names} cannot be counted again: it does not say what its rows come from (BasePlugin.rows)"
        )
    for fault in _faults(connection, table, rows, plugins):
        raise Unfit(f"{names} cannot be counted again: {fault}")
    episodes = {part.plugin.episodes for part in parts if isinstance(part.plugin, DurationPlugin)}
    return Target(table, plugins, rows, length, offset, reach, *episodes)


def _windows(plugin: BasePlugin) -> tuple[int, int, int]:
    """Return the length of the plugin's windows, where one starts, and how long before that messages matter to it."""
    if plugin.schedule is None or plugin.rows is not Rows.WINDOW:
        return 1, 0, 0
    seconds, reach = plugin.schedule.seconds, math.ceil(plugin.reach.total_seconds())
    return seconds, int(plugin.schedule.epoch.timestamp()) % seconds, reach


def _fits(table: Table, rows: Rows) -> bool:
    """Return whether a table has the columns that rows of a kind need."""
    if rows is Rows.EVER:
        return {"first", "last"} <= set(table.columns.keys()) and bool(table.primary_key)
    keyed = "timestamp" in table.primary_key.columns
    return "timestamp" in table.columns and bool(table.primary_key) and keyed == (rows is Rows.WINDOW)


def _faults(connection: Connection, table: Table, rows: Rows, plugins: frozenset[str]) -> Iterator[str]:
    """Yield what stands against counting the table again."""
    if table.schema is not None:
        yield f"its table {table.fullname} is named with a schema"
    if not _fits(table, rows):
        yield f"its table {table.fullname} lacks the columns that {rows} needs"
    others = select(PluginRow.ident).where(
        PluginRow.tables.contains([table.fullname]), PluginRow.ident.not_in(plugins)
    )
    for other in connection.scalars(others):
        yield f"{other}, which does not run here, also writes its table {table.fullname}"
