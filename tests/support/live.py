"""A server of the API that also has streams of changes at `/live?table=…`, and who follows them."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress

#: Is run in the process of `statscache serve`.
SCRIPT = """
from contextlib import asynccontextmanager
from starlette.routing import Route
import statscache.web
from statscache.database.engine import database_url
from statscache.settings import read_settings
from statscache.web import protocol
from statscache.web.database import Database
from statscache.web.live import Feed, event_stream, feed as feeds, stream as streams
from statscache.web.turns import Turns

plain = statscache.web.create_app

def create_app(config):
    app, settings = plain(config), read_settings(config)
    feed = Feed(Turns(Database(settings)).newest_versions, lambda: database_url(settings))
    inner = app.router.lifespan_context

    async def live(request):
        return await event_stream(request, feed, frozenset(request.query_params.getlist("table")))

    @asynccontextmanager
    async def lifespan(app):
        async with inner(app):
            yield
            await feed.close()

    app.router.routes.append(Route("/live", live))
    app.router.lifespan_context = lifespan
    return app

statscache.web.create_app = create_app
"""
EVENT = re.compile(rb"event: change\nid: ([0-9a-f]+)\ndata: \1\n\n")


class Stream:
    """An open stream."""

    def __init__(self, port: int, *tables: str, known: str = "", header: str = "") -> None:
        query = "&".join([*(f"table={table}" for table in tables), *([f"known={known}"] if known else [])])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        last = f"Last-Event-ID: {header}\r\n" if header else ""
        self._socket.sendall(f"GET /live?{query} HTTP/1.1\r\nHost: a\r\n{last}\r\n".encode())
        self._got = b""
        while b"retry: 2000\n\n" not in self._got and b'{"error"' not in self._got and self._receive(10):
            pass
        #: The head of the answer, and what came with it.
        self.opening = self._got.decode()
        self.opened = time.monotonic()

    def event(self, patience: float = 5.0) -> str | None:
        """Return the tag of the next event; None if none comes for so many seconds, or it has ended."""
        until = time.monotonic() + patience
        while not (found := EVENT.search(self._got)):
            left = until - time.monotonic()
            if left <= 0 or not self._receive(left):
                return None
        self._got = self._got[found.end() :]
        return found[1].decode()

    def comments(self, seconds: float) -> int:
        """Return how many comments come in so many seconds."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self._receive(left):
            pass
        return self._got.count(b"\n:\n\n")

    def has_ended(self, patience: float) -> bool:
        """Return whether it ends within so many seconds."""
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            if not self._receive(left):
                return time.monotonic() < until
        return False

    def close(self) -> None:
        """Go away."""
        self._socket.close()

    def _receive(self, patience: float) -> bool:
        """Return whether more has come."""
        self._socket.settimeout(patience)
        with suppress(TimeoutError, ConnectionError):
            if data := self._socket.recv(65536):
                self._got += data
                return True
        return False
