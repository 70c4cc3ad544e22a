"""The tables of which old rows are to be dropped, and which coarser table must have their time first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Table

from statscache.hosting.loader import Part
from statscache.plugins import BasePlugin, DurationPlugin, Rows
from statscache.schema.keeping import Wish, idents_of, parts_by_table, wish_for
from statscache.upkeep.retention.windows import Windows

#: The length of windows, as `Schedule` writes it.
LENGTH = re.compile(r"([0-9]+[dhms])+")


@dataclass(frozen=True)
class Retained:
    """A table of which old rows are to be dropped.

    :param plugins: the idents of those that write it
    :param windows: None where it has none
    :param coarser: the tables of the same statistic with longer windows, the next longer first
    :param fault: why none of it can ever be dropped; empty where it can
    """

    table: Table
    plugins: frozenset[str]
    windows: Windows | None
    wish: Wish
    coarser: tuple[Retainable, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Retainable:
    """A table with windows, and the plugins that write it."""

    table: Table
    parts: tuple[Part, ...]
    windows: Windows | None
    fault: str = ""

    @property
    def statistic(self) -> tuple[Any, ...]:
        """What it has in common with the other tables of its statistic, which differ only by their windows."""
        plugin = self.parts[0].plugin
        names = tuple(column.name for column in self.table.columns)
        return plugin.statistic, plugin.reach, names, len(self.parts)


def retained(parts: Iterable[Part], keep: Mapping[str, timedelta]) -> list[Retained]:
    """Return the tables of which old rows are to be dropped, those with the shortest windows first.

    :param parts: the plugins that run
    :param keep: as `statscache.keep` has it
    """
    tables = [_retainable(table, its) for table, its in parts_by_table(parts).items()]
    found = []
    for its in tables:
        wish = wish_for(its.parts, keep)
        if wish is not None:
            idents = frozenset(part.ident for part in its.parts)
            found.append(Retained(its.table, idents, its.windows, wish, _coarser(its, tables), its.fault))
    return sorted(found, key=lambda one: (one.windows.length if one.windows else 0, one.table.fullname))


def unread(parts: Iterable[Part], keep: Mapping[str, timedelta]) -> list[str]:
    """Return what `statscache.keep` names that is neither a plugin which runs nor the length of windows."""
    known = {name for part in parts for name in idents_of(part)}
    return sorted(name for name in keep.keys() - known if not LENGTH.fullmatch(name))


def _retainable(table: Table, parts: Sequence[Part]) -> Retainable:
    its = Retainable(table, tuple(parts), None)
    plugins = [part.plugin for part in parts]
    windows = {Windows.of(plugin.schedule) for plugin in plugins if plugin.schedule is not None}
    if any(plugin.rows is not Rows.WINDOW or plugin.schedule is None for plugin in plugins):
        return replace(its, fault="its rows are of no windows")
    if len(windows) > 1:
        return replace(its, fault="its plugins have windows of several lengths")
    if any(_reaches(plugin) for plugin in plugins):
        return replace(
            its, fault="messages matter to it for longer than a window, and it is of no kind of statscache"
        )
    return replace(its, windows=windows.pop())


def _reaches(plugin: BasePlugin) -> bool:
    """Return whether nobody can tell from a message which windows it changes."""
    return bool(plugin.reach) and not isinstance(plugin, DurationPlugin)


def _coarser(its: Retainable, tables: Iterable[Retainable]) -> tuple[Retainable, ...]:
    """Return the tables with longer windows, the next longer first, as long as there is one of each length."""
    if its.windows is None:
        return ()
    longer: defaultdict[int, list[Retainable]] = defaultdict(list)
    for other in tables:
        if other.windows and other.windows.length > its.windows.length and other.statistic == its.statistic:
            longer[other.windows.length].append(other)
    in_order = (longer[length] for length in sorted(longer))
    return tuple(found[0] for found in takewhile(lambda found: len(found) == 1, in_order))
