"""The busiest keys of the last windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from statscache.errors import StatscacheError
from statscache.plugins import BasePlugin, CountModel, Schedule
from statscache.plugins.keyed import key_columns


@dataclass
class Busy:
    """A key, and how much there was of it in each window, oldest first; the last window is the present one."""

    keys: tuple[str, ...]
    volumes: list[int]

    @property
    def total(self) -> int:
        """How much in all."""
        return sum(self.volumes)


@dataclass
class Top:
    """The busiest keys of a plugin, the busiest first.

    :param now: when they were looked for
    :param windows: the start of each window, oldest first
    """

    plugin: str
    titles: Sequence[str]
    length: str
    now: datetime
    windows: list[datetime]
    rows: list[Busy] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        rows = [
            {**dict(zip(self.titles, row.keys, strict=True)), "volume": row.total, "volumes": row.volumes}
            for row in self.rows
        ]
        return {"plugin": self.plugin, "now": self.now, "windows": self.windows, "rows": rows}


def busiest(connection: Connection, plugin: BasePlugin, now: datetime, windows: int, rows: int) -> Top:
    """Return the busiest keys of the last windows, the present one included.

    :raises StatscacheError: if the plugin does not count by a key in windows
    """
    keys, schedule = _keyed(plugin)
    model = plugin.model
    starts = [schedule.last(now) - schedule.interval * back for back in reversed(range(windows))]
    top = Top(plugin.ident, keys, str(schedule), now.astimezone(UTC), starts)
    columns, recent = [getattr(model, key) for key in keys], model.timestamp >= starts[0]
    volume = func.sum(model.volume)
    ranked = select(*columns).where(recent).group_by(*columns).order_by(volume.desc(), *columns).limit(rows)
    found: dict[tuple[str, ...], Busy] = {
        tuple(row): Busy(tuple(row), [0] * windows) for row in connection.execute(ranked)
    }
    each = select(model.timestamp, model.volume, *columns).where(recent, tuple_(*columns).in_(list(found)))
    places = {start: place for place, start in enumerate(starts)}
    for start, count, *key in connection.execute(each) if found else ():
        if start in places:
            found[tuple(key)].volumes[places[start]] = count
    top.rows = sorted((busy for busy in found.values() if busy.total), key=lambda busy: -busy.total)
    return top


def _keyed(plugin: BasePlugin) -> tuple[list[str], Schedule]:
    """Return a plugin's keys and windows."""
    counts = plugin.model is not None and issubclass(plugin.model, CountModel)
    keys = key_columns(plugin.model) if counts else []
    if not keys or plugin.schedule is None:
        raise StatscacheError(
            f"{plugin.ident} does not count by a key: name one that does, such as volume-by-category-1m"
        )
    return keys, plugin.schedule
