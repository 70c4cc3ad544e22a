"""Reports the state of the service to systemd, by the protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

from statscache.process.steady_event import SteadyEvent

log = logging.getLogger(__name__)

#: How often in seconds the state is reported if no watchdog asks for more.
USUAL = 10.0


class SystemdNotifier:
    """Sends the states of the service to systemd's socket, and does nothing where there is none.

    :param is_live: tells whether the process is worth keeping; while it is not, the watchdog hears nothing
    :param status: gives a line for `systemctl status`
    """

    def __init__(
        self,
        is_live: Callable[[], bool],
        status: Callable[[], str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._period = _period(environ)
        self._is_live = is_live
        self._status = status
        self._ready = False
        self._wake = SteadyEvent()
        self._stopping = False
        self._thread = threading.Thread(target=self.run, name="statscache-notify", daemon=True)

    def start(self) -> None:
        """Begin to report that the process is live, so that systemd leaves even a long start alone."""
        if self._address:
            self._thread.start()

    def ready(self) -> None:
        """Report that the start is over."""
        self.send("READY=1", f"STATUS={self._status()}")

    def stop(self) -> None:
        """Report that the service is stopping. It stays live until its process ends."""
        self.send("STOPPING=1", "STATUS=stopping")
        self._stopping = True

    def run(self) -> None:
        """Report the state again and again. The body of the thread."""
        while not self._wake.wait(self._period):
            self.tell()

    def tell(self) -> None:
        """Report the state once."""
        if self._stopping:
            self.send("WATCHDOG=1")
        else:
            self.send(*(["WATCHDOG=1"] if self._is_live() else []), f"STATUS={self._status()}")

    def send(self, *lines: str) -> None:
        """Send lines to the socket. A socket that cannot be reached is no reason to end."""
        if not self._address:
            return
        # An address that begins with @ is in the abstract namespace, where it begins with NUL.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
        except OSError as error:
            log.warning("the state could not be sent to systemd: %s", error)


def _period(environ: Mapping[str, str]) -> float:
    """Return how often the watchdog is to be told, in seconds: three times in what it is set to."""
    own = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not (own and microseconds.isdecimal() and int(microseconds)):
        return USUAL
    return min(int(microseconds) / 3e6, USUAL)
