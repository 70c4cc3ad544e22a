"""The HTTP server below the archive."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.system.datagrepper.answers import Answer, End, encoded, spoiled
from tests.system.datagrepper.log import Entry
from tests.system.datagrepper.query import Query
from tests.system.datagrepper.stops import Where

if TYPE_CHECKING:
    from tests.system.datagrepper.archive import Archive

#: Makes `close` send a reset.
NO_LINGER = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer with a page, or with what a fault makes of it."""
        url = urlsplit(self.path)
        if url.path.rstrip("/") != "/raw":
            self._write(encoded({"error": "not_found"}, 404), 0)
            return
        given = dict(parse_qsl(url.query))
        entry = self._archive.served.open(given)
        try:
            query = Query.parse(given, self._archive.clock())
        except ValueError as error:
            self._write(encoded({"error": str(error)}, 400), entry.number)
            entry.done = True
        else:
            self._give(query, entry)

    def do_POST(self) -> None:
        """Do what ``/control/NAME`` tells, with the JSON object of the body as its arguments."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self._archive.calls.get(self.path.removeprefix("/control/"))
        if call is None:
            known = ", ".join(self._archive.calls)
            self._write(encoded({"error": f"there is no {self.path}, only /control/ with {known}"}, 404), 0)
            return
        try:
            self._write(encoded(call(**json.loads(body or b"{}"))), 0)
        except (TypeError, ValueError) as error:
            self._write(encoded({"error": str(error)}, 400), 0)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    @property
    def _archive(self) -> Archive:
        return self.server.archive

    def _give(self, query: Query, entry: Entry) -> None:
        archive, number = self._archive, entry.number
        archive.on_request(number, query.arguments)
        archive.stops.pass_by(number, Where.BEFORE)
        entry.fault = archive.faults.draw(query)
        answer = spoiled(entry.fault, archive.rows.page(query, number), archive.faults)
        if self._wait(answer.wait):
            self._write(answer, number)
            entry.done = True
            archive.on_answer(number, query.arguments)
            archive.stops.pass_by(number, Where.AFTER)

    def _wait(self, seconds: float) -> bool:
        """Wait, and return whether the archive is still open."""
        if not seconds:
            return True
        closed = self._archive.closed.wait(None if seconds == inf else seconds)
        self.close_connection = self.close_connection or closed
        return not closed

    def _write(self, answer: Answer, number: int) -> None:
        data = answer.data
        if self._archive.stops.due(number, Where.MIDDLE):
            self.wfile.write(data[: len(data) // 2])
            self._archive.stops.pass_by(number, Where.MIDDLE)
            data = data[len(data) // 2 :]
        self.wfile.write(data)
        if answer.end is not End.KEPT:
            self.close_connection = True
        if answer.end is End.RESET:
            self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.rfile.close()  # which would keep the socket open
        self.connection.close()


class Server(ThreadingHTTPServer):
    """Listens on a local port; 0 for any free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, archive: Archive, port: int) -> None:
        self.archive = archive
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Remember the connection, for closing it."""
        self._open.add(request)
        super().process_request_thread(request, client_address)
        self._open.discard(request)

    def server_close(self) -> None:
        """Close the port and all connections."""
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
