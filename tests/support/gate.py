"""A proxy before the database's socket, which also knows when a flush commits."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import proxy

#: What a client sends to commit, and what a flush has sent before it does.
COMMIT = b"COMMIT\x00"
FLUSH = b"UPDATE statscache_spool"


class Pair(proxy.Pair):
    """A connection to the database."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        super().__init__(near, far)
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


class Gate(proxy.Proxy[Pair]):
    """A proxy on a local socket.

    :param url: the database's URL, whose server listens on a local socket
    :param directory: where the proxy's own socket is made
    """

    pair = Pair

    def __init__(self, url: Any, directory: Path) -> None:
        self.move(url)
        self._path = str(directory / ".s.PGSQL.5432")
        self.url = url.update_query_dict({"host": str(directory)}).render_as_string(hide_password=False)
        #: Called once, instead of handing it on, with the connection and the bytes of the next flush's commit.
        self.at_commit: Callable[[Pair, bytes], None] | None = None
        super().__init__()

    def move(self, url: Any) -> None:
        """Lead new connections to another server."""
        self._target = f"{url.query['host']}/.s.PGSQL.5432"

    def _listen(self) -> socket.socket:
        Path(self._path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        os.chmod(self._path, 0o777)
        listener.listen(64)
        return listener

    def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        Path(self._path).unlink(missing_ok=True)
        super().shut()

    def _reach(self) -> socket.socket:
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._target)
        except OSError:
            far.close()
            raise
        return far

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
