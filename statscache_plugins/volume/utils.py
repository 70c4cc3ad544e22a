"""What the volume plugins share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from statscache.plugins import CountingPlugin, Schedule, counting_model
from statscache_plugins.windowed import WindowedPlugin

#: Analysts ask by hour and day: tables with these windows are small, and on by default.
COARSE = (timedelta(hours=1), timedelta(days=1))
#: Windows that make many rows, where there are many keys.
FINE = (timedelta(seconds=1), timedelta(seconds=5), timedelta(minutes=1))


class VolumePluginMixin(WindowedPlugin):
    """The kind that counts all messages; a plugin's `process` says under which keys each counts."""


def plugin_factory(
    intervals: Iterable[timedelta],
    plugin_class: type[CountingPlugin],
    table_prefix: str,
    person: str | None = None,
    **keys: str,
) -> list[type[CountingPlugin]]:
    """Make a plugin and its table for each interval.

    The table is named ``<table_prefix>_<interval>``, as in ``data_volume_by_category_15s``.

    :param plugin_class: what the plugins extend; its `summary` becomes the tables' comments
    :param person: the key that names a person
    :param keys: a comment for each key column, by the column's name, in the order in which `process` counts
    """
    return [_plugin(Schedule(interval), plugin_class, table_prefix, person, keys) for interval in intervals]


def _plugin(
    schedule: Schedule,
    plugin_class: type[CountingPlugin],
    table_prefix: str,
    person: str | None,
    keys: Mapping[str, str],
) -> type[CountingPlugin]:
    comment = f"{plugin_class.summary}, in windows of {schedule} that are labelled by their start in UTC"
    model = counting_model(f"{table_prefix}_{schedule}", comment, person, **keys)
    attributes = {"interval": schedule.interval, "model": model, "__module__": plugin_class.__module__}
    return type(f"{plugin_class.__name__}{schedule}", (plugin_class,), attributes)
