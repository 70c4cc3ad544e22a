"""A server of its own for the API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from statscache.errors import Unusable
from statscache.web.limits import LONGEST_URL

#: How many seconds a request may take to arrive, a connection may be idle, and requests may take to end at a stop.
ARRIVAL, IDLE, STOP = 10, 15, 5
#: How many connections there may be at once.
CONNECTIONS = 250
#: How many bytes the head of a request may have.
LONGEST_HEAD = LONGEST_URL + 64 * 1024


class Protocol(H11Protocol):
    """Closes connections on which a request takes too long to arrive."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._see_to_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._see_to_deadline()

    def _see_to_deadline(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if not waiting:
            self._end_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(ARRIVAL, self.transport.close)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Ends well at SIGINT and SIGTERM, without passing them on.

    :param ready: called once requests are answered and signals end it
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens to an address.

    :raises Unusable: if that cannot be had
    """
    host, port = address
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server(address, family=family, backlog=1024)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise Unusable(
            f"nothing can listen at {host}:{port} ({why}): stop what else listens there, or set another "
            "address with statscache.web.address or --listen"
        ) from None
    # A head and a body are two packets, and the second must not wait for the client's word on the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(app: ASGIApp, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer requests until a signal ends it.

    :param ready: gets the API's URL once it can be asked
    """
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=STOP,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/api/"
    Server(config, lambda: ready(url)).run(sockets=[listening])
