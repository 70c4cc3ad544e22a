"""What the pagure plugins share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from statscache.plugins import CountingPlugin, Message, Schedule

#: A topic with this in it is pagure.io's.
MARK = "io.pagure.prod"


class PagurePluginMixin(CountingPlugin):
    """The kind that counts contributions on pagure.io; a plugin's `process` says under which keys."""

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self.summary = f"{self.summary}, per {schedule}"

    def update(self, session: Session) -> None:
        """Add the contributions counted since the last flush to the table."""
        self.add_counts(session)

    def is_contribution(self, message: Message) -> bool:
        """Return whether the message tells of something done on pagure.io."""
        return MARK in message.topic
