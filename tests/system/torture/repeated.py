"""Does something again and again, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeated:
    """Calls a function until it is ended.

    :param pause: how many seconds lie between two calls
    """

    def __init__(self, call: Callable[[], object], pause: float) -> None:
        self._call = call
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self._call()

    def end(self) -> None:
        """Call it no more, and return when the last call has returned."""
        self._ended.set()
        self._thread.join()
