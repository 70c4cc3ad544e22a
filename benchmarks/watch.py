"""A hub and its database, looked at from outside."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import psutil
from sqlalchemy import create_engine, text

from tests.support.hub import Hub

#: A table of few rows that every message counts in once. A flush is one transaction, so what it tells is true of all.
TABLE = "data_volume_by_category_1d"


class Sample(NamedTuple):
    """What was so at an instant, in seconds since 1970: messages committed, and the hub's resident bytes."""

    when: float
    committed: int
    memory: int


class Watch:
    """Looks every so often, on a thread of its own, from the moment it is made until `close`.

    :param every: how often in seconds, which is how precise what it tells is
    """

    def __init__(self, url: str, hub: Hub, every: float, table: str = TABLE) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._query = text(f"SELECT coalesce(sum(volume), 0) FROM {table}")
        self._hub = hub
        self._process = psutil.Process(hub.process.pid)
        self._every = every
        self._ends = threading.Event()
        self._changed = threading.Condition()
        self.samples: list[Sample] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, count: int, patience: float) -> float:
        """Wait until so many messages are committed; return when that was seen, in seconds since 1970.

        :raises TimeoutError: if nothing more was committed for so many seconds
        """
        with self._changed:
            while not (self.samples and self.samples[-1].committed >= count):
                if self._failure or not self._changed.wait(patience):
                    seen = self.samples[-1].committed if self.samples else 0
                    raise TimeoutError(
                        f"{seen} of {count} messages are committed and no more come:\n{self._hub.log[-2000:]}"
                    ) from self._failure
        return next(sample.when for sample in self.samples if sample.committed >= count)

    def close(self) -> None:
        """Look no more."""
        self._ends.set()
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        try:
            self._look_until_closed()
        except BaseException as error:
            self._failure = error
            with self._changed:
                self._changed.notify_all()

    def _look_until_closed(self) -> None:
        committed = -1
        with self._engine.connect() as connection:
            while not self._ends.wait(self._every):
                found = int(connection.scalar(self._query) or 0)
                self.samples.append(Sample(time.time(), found, self._process.memory_info().rss))
                if found != committed:
                    committed = found
                    with self._changed:
                        self._changed.notify_all()


def delays(sent: list[float], samples: list[Sample]) -> list[float]:
    """Return for each message, in the order they were sent, how many seconds later it was seen to be committed."""
    found: list[float] = []
    for sample in samples:
        new = sent[len(found) : sample.committed]
        found += [sample.when - when for when in new]
    return found
