"""A table of a kind that has windows, as SQL speaks of it, and the functions that are made of it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Table

from statscache.plugins import Schedule
from statscache.schema.functions.figures import VOLUME, Figures
from statscache.schema.objects import Variant, in_quotes, quoted

INSTANT = "timestamptz"
#: Arguments: a name, a type, a default.
RANGE = (("start", INSTANT, ""), ("stop", INSTANT, " DEFAULT now()"))
NUMBER = ("n", "integer", " DEFAULT 10")
#: What stands for a moment later than which no message counts.
END = "least($2, now())"
MOMENT = "'1 microsecond'"


@dataclass(frozen=True)
class WindowTable:
    """A table with windows, as SQL speaks of it.

    :param schema: in which it is
    :param home: the schema of statscache's own views and functions
    :param keys: the type of each key column, by the column's name
    :param person: the key that names a person, None if there is none
    :param figures: the figures of a row, by column
    :param leading: that of them by which rows are the greatest
    :param knows: whether what freshness says of it is a part `known` of a WITH
    """

    table: Table
    schema: str
    home: str
    schedule: Schedule
    keys: Mapping[str, str]
    person: str | None = None
    figures: Figures = field(default_factory=lambda: VOLUME)
    leading: str = "volume"
    knows: bool = False

    @property
    def name(self) -> str:
        """The table."""
        return f"{quoted(self.schema)}.{quoted(self.table.name)}"

    @property
    def length(self) -> str:
        """The length of a window."""
        return f"interval '{self.schedule.seconds} seconds'"

    @property
    def origin(self) -> str:
        """An instant at which a window starts."""
        return f"to_timestamp({int(self.schedule.epoch.timestamp()) % self.schedule.seconds})"

    def start_of(self, instant: str) -> str:
        """Return the start of the window that an instant lies in; none begins before 1970."""
        return f"date_bin({self.length}, greatest({instant}, to_timestamp(0)), {self.origin})"

    def inside(self, row: str) -> str:
        """Return whether a row lies in the range asked for."""
        return f'{row}."timestamp" >= {self.start_of("$1")} AND {row}."timestamp" < {END}'

    @property
    def asked_once(self) -> WindowTable:
        """The same where `known_once` is a part of a WITH: the view takes long to plan, and is read for each column."""
        return replace(self, knows=True)

    @property
    def known_once(self) -> str:
        """A part of a WITH: what `statscache_freshness` says of the table."""
        return f"known AS MATERIALIZED (SELECT f.complete, f.history_from, f.not_kept FROM {self._freshness})"

    @property
    def _freshness(self) -> str:
        view, name = f"{quoted(self.home)}.statscache_freshness", in_quotes(self.table.fullname)
        return f"{view} AS f WHERE f.table_name = {name}"

    def known(self, column: str) -> str:
        """Return what `statscache_freshness` says of the table in a column."""
        return f"(SELECT f.{column} FROM {'known AS f' if self.knows else self._freshness})"

    def complete(self, start: str, stop: str) -> str:
        """Return whether the table has every message of a time."""
        return f"coalesce({self.known('complete')} @> tstzrange({start}, {stop}), false)"

    def kept(self, figure: str, start: str, stop: str) -> str:
        """Return a figure of a time, which is NULL where any of that is not kept any more."""
        return f"CASE WHEN {self.known('not_kept')} && tstzrange({start}, {stop}) THEN NULL ELSE {figure} END"

    def since_ever(self, start: str, stop: str) -> str:
        """Return whether the table has every message of a time, and of all before of which history is wanted."""
        return self.complete(f"least({self.known('history_from')}, {start})", stop)

    @property
    def others(self) -> dict[str, str]:
        """The type of each key that names no person, by the column's name."""
        return {key: kind for key, kind in self.keys.items() if key != self.person}

    @property
    def columns(self) -> list[str]:
        """The key columns, as identifiers."""
        return [quoted(key) for key in self.keys]


def with_keys(keys: Mapping[str, str], figures: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of an answer: keys, then figures, which give way where a key has their name."""
    columns = dict(keys)
    for name, kind in figures.items():
        columns[_free(name, columns)] = kind
    return columns


def _free(name: str, taken: Container[str]) -> str:
    """Return a name, or one like it where it is taken."""
    while name in taken:
        name += "_"
    return name


def variant(
    its: WindowTable,
    arguments: Sequence[tuple[str, str, str]],
    columns: Mapping[str, str],
    body: str,
    about: str,
) -> Variant:
    """Return a function of a table.

    :param arguments: the name, the type and the default of each
    :param columns: the type of each column of its answer, by name
    """
    named = [(quoted(_free(name, columns)), kind, default) for name, kind, default in arguments]
    given = ", ".join(f"{name} {kind}{default}" for name, kind, default in named)
    returned = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    return Variant(
        f"({given}) RETURNS TABLE ({returned}) LANGUAGE sql STABLE PARALLEL SAFE AS {in_quotes(body)}",
        f"{its.table.comment or its.table.name}: {about}; complete says whether no message is missing",
        "(" + ", ".join(f"{name} {kind}" for name, kind, _ in named) + ")",
    )
