"""The consumer that fedmsg-hub runs: its door to the service."""

from __future__ import annotations

import logging
from typing import Any

from fedmsg.consumers import FedmsgConsumer
from moksha.hub.reactor import reactor

from statscache.bus.signatures import check_signatures
from statscache.errors import Unusable
from statscache.settings import read_setting

log = logging.getLogger(__name__)


class StatsConsumer(FedmsgConsumer):
    """Hands each message of the bus to the service, on the reactor's thread.

    :raises SystemExit: with one line, if it cannot do its job: only that keeps the hub from running without it
    """

    topic = "*"
    config_key = "statscache.consumer.enabled"

    def __init__(self, hub: Any) -> None:
        try:
            self._open(hub)
        except Unusable as reason:
            raise SystemExit(f"statscache: {reason}") from None
        except Exception as error:
            log.exception("statscache could not start")
            raise SystemExit(f"statscache: could not start, {type(error).__name__}: {error}") from None

    def _open(self, hub: Any) -> None:
        from statscache.bus.fedmsg import attach  # here, where an error in importing it ends the hub
        from statscache.service import Service

        if read_setting(hub.config, self.config_key):
            check_signatures(hub.config)
        super().__init__(hub)
        if not self._initialized:
            return
        # On the reactor's thread: it would starve a thread of ours while a flood of messages lasts.
        self.blocking_mode = True
        self._service = Service(hub.config)
        # Before the daemon takes its time to open, as what was received until now is lost.
        bus = attach(hub)
        self._service.open(hub.config, bus)
        reactor.callWhenRunning(self._service.run)
        reactor.addSystemEventTrigger("after", "shutdown", self._service.finish)

    def debug(self, message: str) -> None:
        """Say nothing of each message, as the hub would twice."""

    def consume(self, message: dict[str, Any]) -> None:
        """Take one message: `topic` and `body`, which is the message as sent."""
        self._service.receive(message["body"])
