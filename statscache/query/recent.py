"""What a plugin's table holds lately."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Date, DateTime, Select, Table, func, select

from statscache.errors import StatscacheError, number_of
from statscache.instants import in_utc, write_instant
from statscache.plugins import BaseModel, BasePlugin, CountModel, LatestModel
from statscache.plugins.keyed import key_columns
from statscache.query.present import end_of_present

#: So many rows are shown where nobody says how many, and so many at most of a time that somebody names.
ROWS, MOST = 20, 10_000
TIME = "timestamp"


@dataclass(frozen=True)
class Wanted:
    """What of a table is wanted.

    :param since: leave out what is earlier
    :param until: leave out this instant and what is later; None for what is dated ahead of the present
    :param by: for counts, sum over all else for each value of this column
    :param top: how many rows; of counts, the greatest
    """

    since: datetime | None = None
    until: datetime | None = None
    by: str | None = None
    top: int | None = None

    @property
    def rows(self) -> int:
        """How many rows at most."""
        return self.top or (MOST if self.since and self.by in (None, TIME) else ROWS)


@dataclass(frozen=True)
class Shown:
    """What a plugin's table holds, for a person or a program.

    :param titles: the columns' names; the last one is the volume where there are bars
    :param bars: whether the last column is shown as bars, too
    :param hint: what else could be asked, empty for nothing
    :param cut: says that there are more rows than anybody asked for, if there are
    :param ahead: says which rows are left out for their date, if any are
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[Any]]
    bars: bool = False
    hint: str = ""
    cut: str = ""
    ahead: str = ""

    def as_json(self) -> list[dict[str, Any]]:
        """Return a dict for each row; a number that is none is null."""
        return [dict(zip(self.titles, map(_finite, row), strict=True)) for row in self.rows]


def recent(connection: Connection, plugin: BasePlugin, wanted: Wanted, now: datetime) -> Shown:
    """Return what the plugin's table holds.

    :param now: what is dated later than the present does not come among what is newest
    :raises StatscacheError: if the plugin has no table, no such key, or no instants to ask for
    """
    model = plugin.model
    if model is None:
        raise StatscacheError(f"{plugin.ident} has no table to show")
    look = _Look(connection, model.__table__, wanted, now)
    if wanted.since or wanted.until:
        look.check_instants(plugin.ident)
    if issubclass(model, CountModel):
        return look.counts(plugin.ident, key_columns(model))
    if wanted.by is not None:
        raise StatscacheError(f"{plugin.ident} has no counts to sum: leave out --by")
    return look.others(_columns(model))


def _columns(model: Any) -> list[Any]:
    columns = model.__table__.c
    if issubclass(model, LatestModel):
        names = (TIME, "category", "category_constraint")
        return [*(columns[name] for name in names), columns.message["status"].label("status")]
    return [column for column in columns if not (column.name == "id" and issubclass(model, BaseModel))]


@dataclass(frozen=True)
class _Look:
    connection: Connection
    table: Table
    wanted: Wanted
    now: datetime

    @property
    def time(self) -> Column[Any] | None:
        """The column with the rows' instants, None if they have none."""
        column = self.table.c.get(TIME)
        kind = None if column is None else getattr(column.type, "impl_instance", column.type)
        return column if isinstance(kind, DateTime | Date) else None

    @property
    def end(self) -> datetime | None:
        """Where what is newest ends; None where all is wanted."""
        present, wanted = end_of_present(self.now), self.wanted
        return None if wanted.until or (wanted.since and wanted.since >= present) else present

    def check_instants(self, ident: str) -> None:
        """Refuse to ask for instants where there are none."""
        if self.time is None:
            raise StatscacheError(f"{ident} has no instants: leave out --since and --until")

    def counts(self, ident: str, keys: Sequence[str]) -> Shown:
        """Return counts: of each window and key, or summed by one of them."""
        by, columns = self.wanted.by, self.table.c
        if by is not None and by not in (TIME, *keys):
            there = f"its keys are {', '.join(keys)}" if keys else "it counts under no key"
            raise StatscacheError(f"{ident} does not count by {by!r}: {there}")
        names = [TIME, *keys] if by is None else [by]
        shown = [columns[name] for name in names]
        volume = (columns.volume if by is None else func.sum(columns.volume)).label("volume")
        in_time = names[0] == TIME and not self.wanted.top
        order = [columns[TIME].desc(), volume.desc(), *shown[1:]] if in_time else [volume.desc(), *shown]
        query = self._between(select(*shown, volume).group_by(*(() if by is None else shown)), in_time)
        rows, cut = self._read(query.order_by(*order), in_time)
        if in_time:
            rows = sorted(rows, key=lambda row: row[0])
        hint = f"summed by {keys[0]}: --by {keys[0]}; by window: --by {TIME}" if keys and by is None else ""
        return Shown([*names, "volume"], rows, bars=True, hint=hint, cut=cut, ahead=self._ahead(in_time))

    def others(self, columns: Sequence[Any]) -> Shown:
        """Return rows of any other kind, the newest first; where they have no instants, by their key."""
        time, query = self.time, select(*columns)
        if time is not None:
            newest = time.desc().nulls_last() if time.nullable else time.desc()
            query = self._between(query, True).order_by(newest)
        rows, cut = self._read(query.order_by(*self.table.primary_key.columns), time is not None)
        return Shown([column.name for column in columns], rows, cut=cut, ahead=self._ahead(time is not None))

    def _between(self, query: Select[Any], in_time: bool) -> Select[Any]:
        if self.time is None:
            return query
        end = self.wanted.until or (self.end if in_time else None)
        some = [self.time >= self._instant(self.wanted.since)] if self.wanted.since else []
        if end is None:
            return query.where(*some)
        unknown = self.time.is_(None) if self.time.nullable and not self.wanted.until else None
        before = self.time < self._instant(end)
        return query.where(*some, before if unknown is None else before | unknown)

    def _instant(self, when: datetime) -> Any:
        """Return an instant as the column has it."""
        aware = getattr(self.time.type, "timezone", True) if self.time is not None else True
        return when if aware else in_utc(when).replace(tzinfo=None)

    def _read(self, query: Select[Any], in_time: bool) -> tuple[Sequence[Any], str]:
        """Return the rows, and what to say if there are more of them."""
        most = self.wanted.rows
        rows = self.connection.execute(query.limit(most + 1)).all()
        which = "newest" if in_time else "first" if self.time is None else "greatest"
        cut = len(rows) > most and not self.wanted.top
        return rows[:most], f"these are the {most} {which} rows: there are more" if cut else ""

    def _ahead(self, in_time: bool) -> str:
        """Return what to say of the rows that are left out since they are dated ahead of the present."""
        if not in_time or self.time is None or self.end is None:
            return ""
        later: ColumnElement[bool] = self.time >= self._instant(self.end)
        count, last = self.connection.execute(select(func.count(), func.max(self.time)).where(later)).one()
        until = write_instant(last) if isinstance(last, datetime) else last
        rows = number_of(count, "row")
        return f"{rows} dated ahead of now, up to {until}, left out: --until shows them" if count else ""


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
