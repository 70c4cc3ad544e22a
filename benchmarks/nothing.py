"""The control: a consumer that does nothing, in the same hub and mode as statscache's."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from fedmsg.consumers import FedmsgConsumer
from moksha.hub.reactor import reactor

from benchmarks.variables import COUNT, FILE, RUNNING

log = logging.getLogger(__name__)


class Nothing(FedmsgConsumer):
    """Takes messages on the reactor's thread and drops them."""

    topic = "*"
    config_key = "benchmarks.nothing.enabled"

    def __init__(self, hub: Any) -> None:
        super().__init__(hub)
        self.blocking_mode = True
        self._left = int(os.environ[COUNT])
        reactor.callWhenRunning(log.info, RUNNING)

    def consume(self, message: dict[str, Any]) -> None:
        """Count the message down."""
        self._left -= 1
        if not self._left:
            Path(os.environ[FILE]).write_text(repr(time.time()))
