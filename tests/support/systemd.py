"""The end of systemd's socket at which it hears its services."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tests.support.hub import wait_for


class Systemd:
    """The socket on which systemd hears its services."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self.heard: list[str] = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        while data := self._socket.recv(65536):
            self.heard += data.decode().splitlines()

    def waits_for(self, line: str) -> None:
        """Wait until a line has been said."""
        wait_for(line, lambda: line in self.heard)

    def close(self) -> None:
        """Hear no more."""
        self._socket.shutdown(socket.SHUT_RD)
