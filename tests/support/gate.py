"""A proxy before the database's socket that refuses, delays, stalls and cuts connections."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What a client sends to commit, and what a flush has sent before it does.
COMMIT = b"COMMIT\x00"
FLUSH = b"UPDATE statscache_spool"


class Pair:
    """A connection through the gate: the client's end and the server's."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far
        #: Whether the server's answers are thrown away.
        self.mute = False
        #: Whether the client has written a flush that it has not yet committed.
        self._flushes = False
        self._tail = b""

    def commits(self, data: bytes) -> bool:
        """Return whether the client's bytes end with the commit of a flush."""
        seen = self._tail + data
        self._flushes = self._flushes or FLUSH in seen
        self._tail = seen[-len(FLUSH) :]
        if not (self._flushes and seen.endswith(COMMIT)):
            return False
        self._flushes = False
        return True

    def cut(self) -> None:
        """Break the connection on both sides."""
        for side in (self.near, self.far):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Gate:
    """A proxy on a local socket.

    :param url: the database's URL, whose server listens on a local socket
    :param directory: where the proxy's own socket is made
    """

    def __init__(self, url: Any, directory: Path) -> None:
        self.move(url)
        self._path = str(directory / ".s.PGSQL.5432")
        self.url = url.update_query_dict({"host": str(directory)}).render_as_string(hide_password=False)
        #: How long in seconds each piece of data is held back.
        self.delay = 0.0
        #: Called once, instead of handing it on, with the connection and the bytes of the next flush's commit.
        self.at_commit: Callable[[Pair, bytes], None] | None = None
        self._flow = threading.Event()
        self._flow.set()
        self._pairs: list[Pair] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.open()

    def move(self, url: Any) -> None:
        """Lead new connections to another server."""
        self._target = f"{url.query['host']}/.s.PGSQL.5432"

    def open(self) -> None:
        """Let connections through."""
        if self._listener is None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self._path)
            os.chmod(self._path, 0o777)
            self._listener.listen(64)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._listener is not None:
            os.unlink(self._path)
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
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                far.close()
                continue
            self._join(Pair(near, far))

    def _join(self, pair: Pair) -> None:
        with self._lock:
            self._pairs.append(pair)
        for copy in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(copy, pair), daemon=True).start()

    @staticmethod
    def _run(copy: Callable[[Pair], None], pair: Pair) -> None:
        with contextlib.suppress(OSError):
            copy(pair)
        pair.cut()

    def _ask(self, pair: Pair) -> None:
        while data := pair.near.recv(65536):
            self._hold()
            plan = self.at_commit if pair.commits(data) else None
            if plan is None:
                pair.far.sendall(data)
            else:
                self.at_commit = None
                plan(pair, data)

    def _answer(self, pair: Pair) -> None:
        while data := pair.far.recv(65536):
            self._hold()
            if pair.mute:
                return
            pair.near.sendall(data)

    def _hold(self) -> None:
        if self.delay:
            time.sleep(self.delay)
        self._flow.wait()
