"""Somebody who writes all the time, and how long he had to wait."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine

from tests.support.sql import run

#: No lock that keeps a writer waiting is held for longer, in seconds.
LONGEST = 2.0


class Writer:
    """Notes things as fast as it can, and changes what is noted, on a thread of its own.

    :param many: how many notes there are
    """

    def __init__(self, engine: Engine, many: int = 1) -> None:
        self._engine = engine
        self._many = many
        self._ends = threading.Event()
        self.written = 0
        #: The longest that one write took, in seconds.
        self.longest = 0.0
        self._pool = ThreadPoolExecutor(1)
        self._writes: Future[None]

    def __enter__(self) -> Writer:
        self._writes = self._pool.submit(self._run)
        return self

    def __exit__(self, *error: object) -> None:
        """End the writing.

        :raises Exception: the one that ended it before
        """
        self._ends.set()
        self._pool.shutdown()
        self._writes.result()

    def _run(self) -> None:
        while not self._ends.is_set():
            start = time.monotonic()
            run(
                self._engine,
                "INSERT INTO statscache_note (start, kind, text) VALUES (now(), 'other', 'new')",
                f"UPDATE statscache_note SET text = 'old' WHERE id = {random.randint(1, self._many)}",
            )
            self.written += 1
            self.longest = max(self.longest, time.monotonic() - start)
