"""What every counting process needs, whatever its bus: the daemon, its health server, systemd, signals."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from statscache.bus.interface import Bus
from statscache.bus.micro_batch import MicroBatch
from statscache.daemon import open_daemon
from statscache.errors import HUNG, number_of
from statscache.health.checks import Health
from statscache.health.server import HealthServer
from statscache.health.systemd import SystemdNotifier
from statscache.hosting.surroundings import SURROUNDINGS
from statscache.process.descriptors import RESERVE
from statscache.process.hangup import Hangup
from statscache.settings import read_setting

log = logging.getLogger(__name__)

#: What ends it; SIGHUP does so only at a terminal.
SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: How long in seconds a stop goes on reading what has arrived already, and then how long it tries to write it.
DRAIN_S = 1.0
LAST_FLUSH_S = 2.0
#: How long in seconds the process then waits for threads that are not ours.
END_S = 1.0
#: So many objects more are a reason to look for reference cycles among the new ones; Python's own bound is 700.
CYCLES = 50_000


class Service:
    """A daemon in a process of its own. Its health endpoints answer as soon as it is made.

    :param config: the fedmsg configuration
    :raises Unusable: if nothing can listen at the address at which it is to answer
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._deadline: float | None = None
        RESERVE.fill()
        logging.raiseExceptions = False  # a plugin can close the stream of a log, for which no line may raise
        self._hangup = Hangup()
        self._hangup.heed()
        self._health_server = HealthServer(read_setting(config, "statscache.monitoring.address"))
        self._health_server.start()
        self._notifier = SystemdNotifier(
            lambda: self._health_server.is_live, lambda: self._health_server.status
        )
        self._notifier.start()

    def open(self, config: Mapping[str, Any], bus: Bus) -> None:
        """Open the daemon.

        :param config: the fedmsg configuration
        :param bus: is being listened to already, as what came until now is lost
        :raises Unusable: if it cannot start
        """
        self._bus = bus
        self._daemon = open_daemon(config, self._restart, bus)
        self._micro_batch = MicroBatch(self._daemon.intake.accept_all, bus.later)

    def run(self) -> None:
        """Begin to flush and take over the signals. Call it once the loop runs."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        self._hangup.heed(self._on_signal)
        self._daemon.start()
        self._bus.start(self._daemon.watermark, self._position)
        self._health_server.attend(Health(self._daemon.parts))
        collect_seldom()
        SURROUNDINGS.keep(self._bus.call)
        self._notifier.ready()
        log.info("statscache is running")

    def begin(self) -> None:
        """Begin to count, or end the process: a reactor would run on without us, whatever is raised here."""
        try:
            self.run()
        except Exception as error:
            log.exception("statscache could not begin to count")
            print(
                f"statscache: it could not begin to count, {type(error).__name__}: {error}", file=sys.stderr
            )
            logging.shutdown()
            os._exit(1)

    def receive(self, body: dict[str, Any]) -> None:
        """Take the body of one message."""
        self._micro_batch.put(body)
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._bus.stop()

    def reject(self, body: Mapping[str, Any], reason: str) -> None:
        """Note a message that does not count."""
        self._daemon.intake.reject(body, reason)

    def hurry(self) -> None:
        """Have what was taken committed at once."""
        self._daemon.wake.hurry()

    def finish(self) -> None:
        """Write what is queued. The last thing that the process does."""
        try:
            self._micro_batch.empty()
        finally:
            written = self._daemon.finish(LAST_FLUSH_S)
        self._health_server.stop()
        log.info("statscache has stopped, %s accepted", number_of(self._daemon.intake.accepted, "message"))
        if not written:
            log.warning("messages that are not written yet stay in the spool for the next start")
        threading.Thread(target=end_anyway, name="statscache-end", daemon=True).start()

    def _position(self) -> int:
        """Return the position in the spool before which all lies that has come."""
        self._micro_batch.empty()
        return self._daemon.intake.position

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + DRAIN_S
            self._bus.call(self._stop)

    def _stop(self) -> None:
        """Take what has arrived already, until there is no more or the time is up, and end the loop."""
        log.info("statscache is stopping")
        self._notifier.stop()
        self._bus.drain()
        self._bus.stop()
        self._bus.end()

    def _restart(self) -> None:
        """Run this process's program anew, from its beginning. Called on the watchdog's thread."""
        # A signal may have come, which the plugin that hangs has kept from its effect.
        ends = self._deadline is not None
        SURROUNDINGS.put_back()  # such as the directory that the program was started in
        log.critical("statscache ends" if ends else "statscache restarts")
        logging.shutdown()
        try:
            if not ends:
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        finally:
            os._exit(HUNG)


def end_anyway() -> None:
    """End the process though threads go on that a plugin has started, for which Python would wait for ever."""
    time.sleep(END_S)
    others = [thread.name for thread in threading.enumerate() if not thread.daemon]
    others.remove(threading.main_thread().name)
    if others:
        log.warning("threads go on that a plugin has started, %s: the process ends without them", others)
        atexit._run_exitfuncs()  # which Python itself would call only after them
        logging.shutdown()
        os._exit(0)


def collect_seldom() -> None:
    """Let Python look for reference cycles less often: messages leave none, and to look costs a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(CYCLES)
