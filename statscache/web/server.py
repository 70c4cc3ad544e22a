"""A server of its own for the API."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from statscache.errors import Unusable
from statscache.process.descriptors import RESERVE
from statscache.process.hangup import Hangup
from statscache.web.limits import LONGEST_URL
from statscache.web.protocol import Protocol

#: How many seconds a connection may be idle, and requests may take to end at a stop.
IDLE, STOP = 15, 5
#: So many clients are let in at a time, and so many others may wait for that.
AT_ONCE, QUEUE = 4, 1024
#: How many bytes the head of a request may have.
LONGEST_HEAD = LONGEST_URL + 64 * 1024


class Server(uvicorn.Server):
    """Ends well at SIGINT and SIGTERM, without passing them on, and at SIGHUP if its terminal is gone.

    :param ready: called once requests are answered and signals end it
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            for each in sockets or []:
                each.listen(QUEUE)  # asyncio has made the queue as short as what it accepts at once
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        ends = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.getsignal(each) for each in (*ends, signal.SIGHUP)}
        for each in ends:
            signal.signal(each, self.handle_exit)
        Hangup().heed(self.handle_exit)
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
        listening = socket.create_server(address, family=family, backlog=QUEUE)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise Unusable(
            f"nothing can listen at {host}:{port} ({why}): stop what else listens there, or set another "
            "address with statscache.web.address or --listen"
        ) from None
    # A head and a body are two packets, and the second must not wait for the client's word on the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def inherited(descriptor: int) -> socket.socket:
    """Return a socket that listens already, by its descriptor, as what starts services hands over.

    :raises Unusable: if that is none
    """
    try:
        listening = socket.socket(fileno=descriptor)
        if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, "it does not listen")
    except OSError as error:
        raise Unusable(
            f"the descriptor {descriptor} is no socket that listens ({error.strerror}): name one with --fd, or an "
            "address with --listen"
        ) from None
    return listening


def serve(app: ASGIApp, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer requests until a signal ends it.

    :param ready: gets the URL of the page once it can be asked
    """
    RESERVE.fill()
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the application knows which proxies are trusted
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=STOP,
        backlog=AT_ONCE,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    Server(config, lambda: ready(url)).run(sockets=[listening])
