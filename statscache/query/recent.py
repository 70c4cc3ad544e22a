"""What a plugin's table holds lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from statscache.errors import StatscacheError
from statscache.plugins import BasePlugin, CountModel, LatestModel
from statscache.plugins.counting import key_columns

ROWS = 20


@dataclass(frozen=True)
class Shown:
    """What a plugin's table holds, for a person or a program.

    :param titles: the columns' names; the last one is the volume where there are bars
    :param bars: whether the last column is shown as bars, too
    :param hint: what else could be asked, empty for nothing
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[Any]]
    bars: bool = False
    hint: str = ""

    def as_json(self) -> list[dict[str, Any]]:
        """Return a dict for each row."""
        return [dict(zip(self.titles, row, strict=True)) for row in self.rows]


def recent(
    connection: Connection, plugin: BasePlugin, since: datetime | None, by: str | None, top: int | None
) -> Shown:
    """Return what the plugin's table holds.

    :param since: leave out what is earlier
    :param by: for counts, sum over time for each value of this key column
    :param top: how many rows; of windows, those with the greatest counts
    :raises StatscacheError: if the plugin has no table, or no such key
    """
    model = plugin.model
    if model is None:
        raise StatscacheError(f"{plugin.ident} has no table to show")
    if issubclass(model, CountModel):
        return _counts(connection, plugin, since, by, top)
    if by is not None:
        raise StatscacheError(f"{plugin.ident} has no counts to sum: leave out --by")
    newest = select(*_columns(model)).order_by(model.timestamp.desc()).limit(top or ROWS)
    result = connection.execute(_from(newest, model, since))
    return Shown(list(result.keys()), result.all())


def _columns(model: Any) -> list[Any]:
    if issubclass(model, LatestModel):
        return [
            model.timestamp,
            model.category,
            model.category_constraint,
            model.message["status"].label("status"),
        ]
    return [column for column in model.__table__.columns if column.name != "id"]


def _counts(
    connection: Connection, plugin: BasePlugin, since: datetime | None, by: str | None, top: int | None
) -> Shown:
    model = plugin.model
    keys = key_columns(model)
    if by is not None and by not in keys:
        there = f"its keys are {', '.join(keys)}" if keys else "it counts under no key"
        raise StatscacheError(f"{plugin.ident} does not count by {by!r}: {there}")
    column = getattr(model, by or "timestamp")
    volume = func.sum(model.volume).label("volume")
    order = volume.desc() if by or top else column.desc()
    query = select(column, volume).group_by(column).order_by(order, column).limit(top or ROWS)
    rows = connection.execute(_from(query, model, since)).all()
    hint = "" if by or not keys else f"for each {' or '.join(keys)}: --by {keys[0]}"
    return Shown([by or "timestamp", "volume"], rows if by or top else rows[::-1], bars=True, hint=hint)


def _from(query: Select[Any], model: Any, since: datetime | None) -> Select[Any]:
    return query if since is None else query.where(model.timestamp >= since)
