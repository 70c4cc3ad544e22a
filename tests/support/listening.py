"""A daemon that hears a bus with a message a second, and what its tables then say of these seconds."""

from __future__ import annotations

import contextlib

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from statscache.daemon import Daemon
from statscache.process.clocks import Clocks
from tests.support.daemons import accept

PUBLISHER = "tcp://publisher"
#: The seconds of these tests are counted from here.
BEGIN = 1_700_000_000


class Listening:
    """A daemon that hears a bus, on a clock of the test's own."""

    def __init__(self, daemon: Daemon, now: float = float(BEGIN)) -> None:
        self.daemon, self.now = daemon, now
        daemon.watermark.clocks = Clocks(lambda: self.now, lambda: self.now)
        daemon.watermark.expect([PUBLISHER])
        daemon.watermark.connected(PUBLISHER)
        self._number = 0

    def live(self, seconds: int, flush: bool = True) -> None:
        """Let time pass, with a message a second, which is flushed every ten."""
        for _ in range(seconds):
            self.now += 1
            self._number = round(self.now - BEGIN)
            accept(self.daemon, self._number)
            self.daemon.watermark.checked(True, self.daemon.intake.position)
            if flush and self._number % 10 == 0:
                self.flush()

    def flush(self) -> None:
        """Flush until nothing is left, whatever connections are broken."""
        for _ in range(5):
            with contextlib.suppress(DBAPIError):
                self.daemon.flusher.flush()
                self.daemon.commits.commit_nothing()
                if not self.daemon.flusher.step():
                    return
        raise AssertionError("the flush goes on failing")


def complete(engine: Engine) -> list[tuple[int, int]]:
    """Return what the tables call complete."""
    query = (
        "SELECT extract(epoch FROM lower(span))::bigint, extract(epoch FROM upper(span))::bigint FROM ("
        "SELECT unnest(complete) AS span FROM statscache_freshness WHERE table_name = 'data_volume_1s') AS each "
        "ORDER BY span"
    )
    with engine.connect() as connection:
        return [(start - BEGIN, stop - BEGIN) for start, stop in connection.execute(text(query))]


def seconds_with_messages(engine: Engine) -> set[int]:
    """Return the seconds that have a row, each of which must hold one message."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT extract(epoch FROM timestamp)::bigint, volume FROM data_volume_1s")
        ).all()
    assert {volume for _, volume in rows} <= {1}
    return {second - BEGIN for second, _ in rows}


def assert_honest(engine: Engine) -> None:
    """Check that each second which is called complete has its message."""
    has = seconds_with_messages(engine)
    for start, stop in complete(engine):
        assert set(range(start, stop)) <= has
