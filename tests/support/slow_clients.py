"""Clients that keep a server waiting."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: How many there are, if nothing else is said.
CLIENTS = 400


class SlowClients:
    """Connections to an address, each of which sends nothing, half a request, or one byte now and then."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._open: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep the connections open, and make those anew that the server has ended."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()
            for each in self._open:
                each.close()

    def _drip(self) -> None:
        while not self._ended.wait(0.5):
            self._open = [each for number, each in enumerate(self._open) if self._goes_on(number, each)]
            while len(self._open) < CLIENTS and not self._ended.is_set():
                try:
                    self._open.append(socket.create_connection(self._address, timeout=0.5))
                except OSError:
                    break  # the queue of those that wait to be let in is full

    @staticmethod
    def _goes_on(number: int, client: socket.socket) -> bool:
        try:
            if number % 3:
                client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Long: " if number % 3 == 1 else b"G")
        except OSError:
            client.close()
            return False
        return True
