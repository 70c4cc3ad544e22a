"""The control: a consumer that does nothing, or what somebody would write by hand, in statscache's hub and mode."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedmsg.consumers import FedmsgConsumer
from moksha.hub.reactor import reactor

from benchmarks.variables import COUNT, FILE, RUNNING, STATEMENTS

log = logging.getLogger(__name__)


class Nothing(FedmsgConsumer):
    """Takes messages on the reactor's thread and drops them."""

    topic = "*"
    config_key = "benchmarks.nothing.enabled"

    def __init__(self, hub: Any) -> None:
        super().__init__(hub)
        self.blocking_mode = True
        self._left = int(os.environ[COUNT])
        self._write = _writing()
        reactor.callWhenRunning(log.info, RUNNING)

    def consume(self, message: dict[str, Any]) -> None:
        """Count the message down, and write what is to be written for it."""
        self._write()
        self._left -= 1
        if not self._left:
            Path(os.environ[FILE]).write_text(repr(time.time()))


def _writing() -> Callable[[], object]:
    """Return what writes what the environment says, or else does nothing."""
    if STATEMENTS not in os.environ:
        return lambda: None
    from benchmarks.by_hand import ByHand  # only here: who does nothing has no driver

    return ByHand(Path(os.environ[STATEMENTS])).write
