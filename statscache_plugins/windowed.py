"""What the plugins that count in windows share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statscache.plugins import CountingPlugin, Schedule


class WindowedPlugin(CountingPlugin):
    """Counts the same in windows of any length, which its summary names; a plugin's `process` says under which keys."""

    alike = True

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self.summary = f"{self.summary}, per {schedule}"
