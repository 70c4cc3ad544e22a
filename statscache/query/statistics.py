"""Statistics: the plugins that count the same in windows of several lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statscache.plugins import Schedule
from statscache.plugins.keyed import key_columns
from statscache.query.figures import Figure
from statscache.query.periods import Period, divides
from statscache.query.tables import Served


@dataclass(frozen=True)
class Statistic:
    """What several tables count, which differ only by their windows.

    :param ident: by which it is known, as in ``volume-by-category``
    :param name: what its plugins are called
    :param keys: the key columns
    :param filters: the key columns, by the name of the parameter that filters by each
    :param tables: those with the longest windows first
    """

    ident: str
    name: str
    summary: str
    description: str
    keys: tuple[str, ...]
    filters: Mapping[str, str]
    tables: tuple[Served, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What a reader can choose of it, the usual one first."""
        return self.finest.kind.offered

    def figure(self, name: str) -> Figure:
        """Return one of them by its name, the usual one for an empty name."""
        return next(figure for figure in self.figures if name in ("", figure.name))

    @property
    def finest(self) -> Served:
        """The table with the shortest windows."""
        return self.tables[-1]


def schedule_of(table: Served) -> Schedule:
    """Return the windows of a table that has them."""
    schedule = table.schedule
    assert schedule is not None  # as every plugin that writes windows, or first times
    return schedule


def windows_divide(table: Served, periods: Sequence[Period]) -> bool:
    """Return whether no window of a table lies in two periods."""
    schedule = schedule_of(table)
    return divides(periods, schedule.seconds, int(schedule.epoch.timestamp()) % schedule.seconds)


def statistics(tables: Mapping[str, Served]) -> dict[str, Statistic]:
    """Return the statistics that tables of windows, and of first times, make up, by ident.

    Plugins that share a name and have other keys or figures than the first are a statistic of their own, by the
    plugin's ident.
    """
    families: dict[str, list[Served]] = {}
    for table in tables.values():
        if table.figures and table.schedule is not None:
            families.setdefault(_family(table, families), []).append(table)
    return {ident: _statistic(ident, family) for ident, family in sorted(families.items())}


def _family(table: Served, families: Mapping[str, Sequence[Served]]) -> str:
    ident = table.plugin.statistic
    same = families.get(ident)
    return ident if same is None or _shape(same[0]) == _shape(table) else table.ident


def _shape(table: Served) -> tuple[list[str], list[str]]:
    return key_columns(table.plugin.model), [figure.name for figure in table.figures]


def _statistic(ident: str, family: Iterable[Served]) -> Statistic:
    tables = tuple(sorted(family, key=lambda table: -schedule_of(table).seconds))
    plugin: Any = tables[-1].plugin
    summary = vars(type(plugin)).get("summary") or type(plugin).summary
    keys = tuple(key_columns(plugin.model))
    return Statistic(ident, plugin.name, summary, plugin.description, keys, tables[-1].filters, tables)
