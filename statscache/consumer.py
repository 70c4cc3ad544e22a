"""The consumer that fedmsg-hub runs, and how the hub stops."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from functools import partial
from types import FrameType
from typing import Any

from fedmsg.consumers import FedmsgConsumer
from moksha.hub.reactor import reactor

from statscache.bus.micro_batch import Inbox
from statscache.bus.signatures import check_signatures
from statscache.errors import HUNG, Unusable
from statscache.settings import read_setting

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: How long in seconds a stop goes on reading what has arrived already, and then how long it tries to write it.
DRAIN = 1.0
LAST_FLUSH = 2.0
#: So many objects more are a reason to look for reference cycles among the new ones; Python's own bound is 700.
CYCLES = 50_000


class StatsConsumer(FedmsgConsumer):
    """Hands each message of the bus to the intake, on the reactor's thread.

    :raises SystemExit: with one line, if it cannot do its job: only that keeps the hub from running without it
    """

    topic = "*"
    config_key = "statscache.consumer.enabled"

    def __init__(self, hub: Any) -> None:
        self._deadline: float | None = None
        try:
            self._open(hub)
        except Unusable as reason:
            raise SystemExit(f"statscache: {reason}") from None
        except Exception as error:
            log.exception("statscache could not start")
            raise SystemExit(f"statscache: could not start, {type(error).__name__}: {error}") from None

    def _open(self, hub: Any) -> None:
        from statscache.bus.fedmsg import attach  # here, where an error in importing it ends the hub
        from statscache.daemon import open_daemon
        from statscache.health.checks import Health
        from statscache.health.server import Monitoring
        from statscache.health.systemd import Notifier

        if read_setting(hub.config, self.config_key):
            check_signatures(hub.config)
        super().__init__(hub)
        if not self._initialized:
            return
        # On the reactor's thread: it would starve a thread of ours while a flood of messages lasts.
        self.blocking_mode = True
        self._monitoring = Monitoring(read_setting(hub.config, "statscache.monitoring.address"))
        self._monitoring.start()
        monitoring = self._monitoring
        self._notifier = Notifier(lambda: monitoring.is_live, lambda: monitoring.status)
        self._notifier.start()
        # Before the daemon takes its time to open, as what was received until now is lost.
        self._monitor = attach(hub)
        self._daemon = open_daemon(hub.config)
        self._inbox = Inbox(self._daemon.intake.accept_all, partial(reactor.callLater, 0))
        self._health = Health(self._daemon)
        reactor.callWhenRunning(self._run)
        reactor.addSystemEventTrigger("after", "shutdown", self._finish)

    def debug(self, message: str) -> None:
        """Say nothing of each message, as the hub would twice."""

    def consume(self, message: dict[str, Any]) -> None:
        """Take one message: `topic` and `body`, which is the message as sent."""
        self._inbox.put(message["body"])
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._stop_receiving()

    def _run(self) -> None:
        """Begin to flush, and take the signals over from the hub, whose own handling loses what is queued."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        self._daemon.restart = self._restart
        self._daemon.start()
        self._monitor.start(self._daemon.attendance, self._position)
        self._monitoring.attend(self._health)
        collect_seldom()
        self._notifier.ready()
        log.info("statscache is running")

    def _position(self) -> int:
        """Return the position in the spool before which all lies that has come."""
        self._inbox.empty()
        return self._daemon.intake.position

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + DRAIN
            reactor.callFromThread(self._stop)

    def _stop(self) -> None:
        """Take what has arrived already, until there is no more or the time is up, and end the reactor."""
        log.info("statscache is stopping")
        self._notifier.stop()
        for connection in self._connections():
            connection.doRead()
        self._stop_receiving()
        self.hub.stop()
        reactor.stop()

    def _stop_receiving(self) -> None:
        self._monitor.stop()
        for connection in self._connections():
            connection.shutdown()

    def _connections(self) -> list[Any]:
        """Return the hub's open connections to the bus."""
        sockets = [getattr(extension, "subscriber_factories", {}) for extension in self.hub.extensions]
        return [connection for found in sockets for connection in found.values() if connection.factory]

    def _finish(self) -> None:
        """Write what is queued. The last thing that the reactor does."""
        try:
            self._inbox.empty()
        finally:
            written = self._daemon.finish(LAST_FLUSH)
        self._monitoring.stop()
        log.info("statscache has stopped, %d messages accepted", self._daemon.intake.accepted)
        if not written:
            log.warning("what is not yet written is in its spool for the next start")

    def _restart(self) -> None:
        """Run this process's program anew, from its beginning. Called on the watchdog's thread."""
        # A signal may have come, which the plugin that hangs has kept from its effect.
        ends = self._deadline is not None
        log.critical("statscache ends" if ends else "statscache restarts")
        logging.shutdown()
        try:
            if not ends:
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        finally:
            os._exit(HUNG)


def collect_seldom() -> None:
    """Let Python look for reference cycles less often: messages leave none, and to look costs a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(CYCLES)
