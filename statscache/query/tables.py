"""The plugins' tables as the API serves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Subquery, Table
from sqlalchemy import types as sql

from statscache.hosting.loader import Entry
from statscache.plugins import BasePlugin, LatestModel, Schedule
from statscache.plugins.first_seen import EACH_SECOND
from statscache.plugins.keyed import key_columns
from statscache.query import parameters as given
from statscache.query.columns import (
    ADDED,
    INSTANT,
    INTEGER,
    TEXT,
    CellType,
    Column,
    column_of,
    columns_of_log,
    kind_of,
)
from statscache.query.cursors import Cursors
from statscache.query.figures import Figure
from statscache.query.kinds import TIME, Kind
from statscache.query.kinds import kind_of as kind_of_model
from statscache.query.parameters import Parameter

#: What holds a text that is no key, though it is a text.
PROSE = ("message",)


@dataclass(frozen=True)
class Key:
    """A column that rows are ordered by.

    :param expression: what to order by
    :param descending: whether the greatest comes first
    """

    name: str
    expression: Any
    kind: CellType
    descending: bool = True

    @property
    def is_number(self) -> bool:
        """Whether its values stand among the numbers of a cursor."""
        return self.kind in (INSTANT, INTEGER)


@dataclass(frozen=True)
class Served:
    """A plugin's table.

    :param filters: the key columns, by the name of the parameter that filters by each
    :param kind: what is summed, or the like, over several rows; nothing where nothing is
    :param source: the distribution that has the plugin, and its version
    """

    plugin: BasePlugin
    table: Table
    columns: tuple[Column, ...]
    order: tuple[Key, ...]
    filters: Mapping[str, str]
    latest: bool
    kind: Kind
    cursors: Cursors = field(repr=False)
    parameters: Mapping[str, Parameter] = field(repr=False)
    source: str = ""

    @property
    def ident(self) -> str:
        """The plugin's identifier."""
        return self.plugin.ident

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What each answer about several rows has."""
        return self.kind.columns

    @property
    def layout(self) -> Any:
        """The plugin's layout, None if it has none."""
        return getattr(self.plugin, "layout", None)

    @property
    def time(self) -> Any:
        """The column with the rows' instants, None if they have none."""
        return _time_of(self.table, self.kind)

    @property
    def in_time(self) -> bool:
        """Whether rows are in order of time."""
        return self.time is not None and bool(self.order) and self.order[0].name == self.time.name

    @property
    def schedule(self) -> Schedule | None:
        """The windows of its figures, None if it has none."""
        return _schedule_of(self.plugin, self.kind)

    def column(self, name: str) -> Column:
        """Return a key of the rows of which figures are taken, or their instant, as an answer has it."""
        return column_of(self.time, TIME) if name == TIME else column_of(self.table.c[name])

    def rows(self, by: Sequence[str | None], conditions: Sequence[Any]) -> Subquery:
        """Return the rows of which figures are taken, as `Kind.rows` does."""
        return self.kind.rows(self.table, by, conditions)


def served(entries: Iterable[Entry]) -> dict[str, Served]:
    """Return the tables of the plugins that are on, by ident."""
    plugins = [(plugin, entry.source) for entry in entries if entry.on for plugin in entry.plugins]
    tables = {plugin.ident: serve(plugin, source) for plugin, source in plugins if plugin.model is not None}
    return dict(sorted(tables.items()))


def serve(plugin: BasePlugin, source: str = "") -> Served:
    """Return how a plugin's table is served.

    :param source: the distribution that has the plugin, and its version
    """
    model, table = plugin.model, plugin.model.__table__
    latest, kind = issubclass(model, LatestModel), kind_of_model(model)
    time = _time_of(table, kind)
    order = tuple(_order(table, time))
    filters = {_parameter_name(name): name for name in _key_names(table)}
    numbers = max(2, sum(key.is_number for key in order))
    cursors = Cursors(plugin.ident, numbers)
    parameters = _parameters(time is not None, filters, cursors)
    parameters |= _of_figures(model, kind) | _of_form()
    if time is not None and (latest or _schedule_of(plugin, kind) is not None):
        parameters |= _of_times(table, kind)
    columns = tuple(columns_of_log(table) if latest else _columns(table, kind))
    return Served(plugin, table, columns, order, filters, latest, kind, cursors, parameters, source)


def _order(table: Table, time: Any) -> Iterable[Key]:
    """Yield what rows are ordered by: their instant, if they all have one, then the primary key."""
    keys = [time] if time is not None and not time.nullable else []
    keys += [column for column in table.primary_key if column not in set(keys)]
    return [Key(column.name, column, kind_of(column.type)) for column in keys]


def _time_of(table: Table, kind: Kind) -> Any:
    column = table.c.get(kind.time)
    return column if column is not None and kind_of(column.type) is INSTANT else None


def _schedule_of(plugin: BasePlugin, kind: Kind) -> Schedule | None:
    return EACH_SECOND if kind.since_ever else plugin.schedule


def _key_names(table: Table) -> list[str]:
    """Return the columns to filter by: the texts of the primary key; where there are none, all texts but prose."""
    texts = [column for column in table.columns if isinstance(column.type, sql.String) and _is_text(column)]
    keys = [column.name for column in texts if column.primary_key]
    return keys or [column.name for column in texts if column.name not in PROSE]


def _is_text(column: Any) -> bool:
    return kind_of(column.type) is TEXT


def _parameter_name(column: str) -> str:
    """Return the parameter that filters by a column, which may have the name of another parameter."""
    return f"key.{column}" if column in _RESERVED else column


_CURSOR_ABOUT = "The place of a page: take it from the Link header, and make none up."
_RESERVED = (
    "start",
    "stop",
    "order",
    "limit",
    "rows_per_page",
    "page",
    "cursor",
    "format",
    "group",
    "top",
    "figure",
    "step",
    "tz",
    "complete",
    "callback",
    "_",
)


def _parameters(timed: bool, filters: Mapping[str, str], cursors: Cursors) -> dict[str, Parameter]:
    first = "newest" if timed else "greatest"
    ordered = f"desc gives the {first} first, or the greatest sums; asc is the reverse."
    taken = [given.START, given.STOP] if timed else []
    taken += [given.choice("order", ("desc", "asc"), ordered, "desc"), given.LIMIT, given.ROWS_PER_PAGE]
    taken += [given.PAGE, Parameter("cursor", _CURSOR_ABOUT, cursors.schema, cursors.read)]
    taken += [given.key(name, column) for name, column in filters.items()]
    return {parameter.name: parameter for parameter in taken}


def _of_figures(model: Any, kind: Kind) -> dict[str, Parameter]:
    """Return the parameters of a table whose rows can be taken together."""
    if not kind.columns:
        return {}
    names = [figure.name for figure in (*kind.columns, *kind.others)]
    what = "Sum the volume over" if names == ["volume"] else "Take together"
    about = f"{what} all rows with the same value in this column; the greatest sums come first, "
    about += "but those by timestamp come in order of time."
    keys = [key for key in key_columns(model) if all(key != figure.apart for figure in kind.columns)]
    taken = [given.choice("group", [TIME, *keys], about)]
    about = "Only this many of the greatest sums, which are those of windows unless group is given."
    taken.append(given.whole("top", 10_000, about))
    if len(names) > 1:
        about = "The figure by which the greatest are found, where rows are not in order of time."
        about += f" It is a column of its own if it is {_or(kind.others)}." if kind.others else ""
        taken.append(given.choice("figure", names, about, kind.leading))
    return {parameter.name: parameter for parameter in taken}


def _or(figures: Iterable[Figure]) -> str:
    return " or ".join(figure.name for figure in figures)


def _of_form() -> dict[str, Parameter]:
    taken = (given.FORMAT, given.CALLBACK_PARAMETER, given.UNDERSCORE)
    return {parameter.name: parameter for parameter in taken}


def _of_times(table: Table, kind: Kind) -> dict[str, Parameter]:
    """Return the parameters of a table of which it is known what time its rows are of."""
    taken = [given.STEP, given.TZ] if kind.columns else []
    taken += [given.COMPLETE] if not any(column.name in table.c for column in ADDED) else []
    return {parameter.name: parameter for parameter in taken}


def _columns(table: Table, kind: Kind) -> Iterable[Column]:
    names = [figure.name for figure in kind.columns]
    for column in map(column_of, table.columns):
        yield replace(column, nullable=False) if column.name in names else column
