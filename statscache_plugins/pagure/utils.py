"""What the pagure plugins share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from statscache.plugins import CountingPlugin, Schedule


class PagurePluginMixin(CountingPlugin):
    """The kind that counts contributions on pagure.io; a plugin's `process` says under which keys."""

    topics = re.compile(r"io\.pagure\.prod")

    alike = True

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self.summary = f"{self.summary}, per {schedule}"

    def update(self, session: Session) -> None:
        """Add the contributions counted since the last flush to the table."""
        self.add_counts(session)
