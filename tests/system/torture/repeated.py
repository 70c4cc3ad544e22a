"""Does something again and again, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeated:
    """Calls a function for as long as its context lasts.

    :param pause: how many seconds lie between two calls
    """

    def __init__(self, call: Callable[[], object], pause: float) -> None:
        self._call = call
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Call it no more, and return when the last call has returned."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self._call()
