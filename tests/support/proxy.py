"""A proxy before a server, which refuses, delays, stalls and cuts connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from statscache.demo.processes import free_port


class Pair:
    """A connection through the proxy: the client's end and the server's."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far

    def cut(self) -> None:
        """Break the connection on both sides."""
        for side in (self.near, self.far):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


AnyPair = TypeVar("AnyPair", bound=Pair)


class Proxy(ABC, Generic[AnyPair]):
    """Hands on what comes, in both directions, between a socket of its own and that of a server."""

    pair: Callable[[socket.socket, socket.socket], AnyPair]

    def __init__(self) -> None:
        #: How long in seconds each piece of data is held back.
        self.delay = 0.0
        self._flow = threading.Event()
        self._flow.set()
        self._pairs: list[AnyPair] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.open()

    @abstractmethod
    def _listen(self) -> socket.socket:
        """Return a socket to which clients can connect."""

    @abstractmethod
    def _reach(self) -> socket.socket:
        """Return a socket that is connected to the server.

        :raises OSError: if there is none
        """

    def open(self) -> None:
        """Let connections through."""
        if self._listener is None:
            self._listener = self._listen()
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Cut the connections there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.cut()

    def stall(self) -> None:
        """Hand on nothing more, in either direction, and close nothing: a half-open connection."""
        self._flow.clear()

    def flow(self) -> None:
        """Hand on again what was held back."""
        self._flow.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = self._reach()
            except OSError:
                near.close()
                continue
            self._join(self.pair(near, far))

    def _join(self, pair: AnyPair) -> None:
        with self._lock:
            self._pairs.append(pair)
        for copy in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(copy, pair), daemon=True).start()

    @staticmethod
    def _run(copy: Callable[[AnyPair], None], pair: AnyPair) -> None:
        with contextlib.suppress(OSError):
            copy(pair)
        pair.cut()

    def _ask(self, pair: AnyPair) -> None:
        while data := pair.near.recv(65536):
            self._hold()
            pair.far.sendall(data)

    def _answer(self, pair: AnyPair) -> None:
        while data := pair.far.recv(65536):
            self._hold()
            pair.near.sendall(data)

    def _hold(self) -> None:
        if self.delay:
            time.sleep(self.delay)
        self._flow.wait()


class TcpProxy(Proxy[Pair]):
    """A proxy on a port of its own, before another port of this machine.

    :param target: that port
    """

    pair = Pair

    def __init__(self, target: int) -> None:
        self._target = "127.0.0.1", target
        #: Where it listens, also when it is opened again.
        self.port = free_port()
        super().__init__()

    def _listen(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", self.port), backlog=64)

    def _reach(self) -> socket.socket:
        return socket.create_connection(self._target)
