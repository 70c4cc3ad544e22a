"""What release engineering has done last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statscache.plugins import LatestModel, LatestPlugin, Schedule, Umbrella
from statscache_plugins.releng.layout import LAYOUT
from statscache_plugins.releng.plugins import amis, artifacts, compose, updates


class ReleaseEngineeringLog(LatestModel):
    """The latest event of each compose, image, artifact and updates repository."""

    __tablename__ = "data_releng_dashboard"


class Plugin(Umbrella):
    """The front of the release engineering logs: one table, a part for each source of events."""

    name = "release engineering event logs"
    summary = "The latest event of each compose, image, artifact and updates repository"
    description = (
        "What a release engineering dashboard shows: how the latest composes, images and updates went."
    )
    model = ReleaseEngineeringLog
    #: The groups and components that a dashboard shows; a component's id is a `category` of the table.
    layout = LAYOUT

    parts_of: tuple[type[LatestPlugin], ...] = (compose.Plugin, updates.Plugin, amis.Plugin, artifacts.Plugin)

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._plugins = [part(schedule, config, self.model) for part in self.parts_of]
