"""A small HTTP server that no client can take anything from: connections, threads and times are bounded."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import threading
import time
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from statscache.process.descriptors import RESERVE
from statscache.process.forks import FORKS

log = logging.getLogger(__name__)

#: So many seconds a client may take from its connection to the end of its answer.
PATIENCE_S = 10.0
#: How many connections there are at once. One more ends that which has gone longest without a whole request.
CONNECTIONS = 16
#: How long in seconds a connection may take to end, and how long nothing is accepted after that has failed.
ENDING_S, PAUSE_S = 1.0, 0.2


class HttpServer(socketserver.ThreadingMixIn, WSGIServer):
    """Answers each connection on a thread of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.Semaphore(CONNECTIONS)
        self._changing = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        self._waiting: dict[socket.socket, None] = {}
        super().__init__((host, port), Handler)
        FORKS.withhold(self.socket)

    def server_bind(self) -> None:
        """Bind, without asking a name server for the name of the address, which can take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, with a descriptor of the reserve if there is no other."""
        try:
            return RESERVE.opening(super().get_request)
        except OSError:
            time.sleep(PAUSE_S)  # it goes on waiting, and would be tried again at once
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, once there is room for it; without any, end the connection."""
        if not self._room.acquire(blocking=False):
            self._end_oldest()
            if not self._room.acquire(timeout=ENDING_S):
                self.shutdown_request(request)
                return
        with self._changing:
            self._deadlines[request] = time.monotonic() + PATIENCE_S
            self._waiting[request] = None
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End the connections whose time is up. Called twice a second."""
        now = time.monotonic()
        with self._changing:
            late = [request for request, deadline in self._deadlines.items() if now > deadline]
        for request in late:
            _end(request)

    def heard(self, request: Any) -> None:
        """Note that a connection has brought its request."""
        with self._changing:
            self._waiting.pop(request, None)

    def close_request(self, request: Any) -> None:
        """Let go of a connection, and of its place."""
        super().close_request(request)
        with self._changing:
            self._waiting.pop(request, None)
            had_a_place = self._deadlines.pop(request, None) is not None
        if had_a_place:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log little of what a client did, or of a thread that could not be had."""
        log.debug("a connection to the health endpoints failed", exc_info=True)

    def _end_oldest(self) -> None:
        with self._changing:
            oldest = next(iter(self._waiting), None)
            if oldest is not None:
                del self._waiting[oldest]
        if oldest is not None:
            _end(oldest)


class Handler(WSGIRequestHandler):
    """Reads a request, and logs none."""

    server: HttpServer

    def parse_request(self) -> bool:
        """Read the rest of the request, and return whether it is one."""
        sound = super().parse_request()
        self.server.heard(self.request)
        return sound

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _end(request: socket.socket) -> None:
    """Let whoever reads from a connection or writes to it fail at once, and then close it."""
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
