"""Messages from files, through the same intake and flush as those of the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from statscache.daemon import Daemon
from statscache.errors import Rejected, StatscacheError
from statscache.history.documents import BadLine
from statscache.history.files import Body, messages
from statscache.intake import MANY

#: How long in seconds a replay waits for a database that has gone.
PATIENCE = 60.0
#: After so many messages it is told how far the reading is.
OFTEN = 100


@dataclass
class Outcome:
    """What became of the lines of the files.

    :param known: how many of the messages read had been counted before, by one plugin at least
    """

    read: int = 0
    known: int = 0
    rejected: int = 0
    bad: int = 0

    @property
    def counted(self) -> int:
        """How many messages had not been counted before."""
        return self.read - self.known


def replay(
    daemon: Daemon, paths: list[Path], report: Callable[[str], None], advance: Callable[[int, int], None]
) -> Outcome:
    """Count the messages of the files.

    :param paths: of the files; `-` for standard input
    :param report: called with a sentence for each line that does not count
    :param advance: called with the bytes read and the messages counted since the last call
    :raises StatscacheError: if the database cannot be written to
    """
    outcome = Outcome()
    for path in paths:
        pace = Pace(advance)
        for place, body, position in messages(path):
            counted = _take(daemon, place, body, report, outcome)
            pace.go(position, counted)
            if counted and outcome.read % MANY == 0:
                _write(daemon, outcome)
        pace.tell()
    _write(daemon, outcome)
    return outcome


class Pace:
    """Tells how far a file was read, often enough to look at and not for each message."""

    def __init__(self, advance: Callable[[int, int], None]) -> None:
        self._advance = advance
        self._told = self._position = self._counted = self._seen = 0

    def go(self, position: int, counted: int) -> None:
        """Note a message, how many bytes were read up to it and whether it counts (1 or 0)."""
        self._position = position
        self._counted += counted
        self._seen += 1
        if self._seen == OFTEN:
            self.tell()

    def tell(self) -> None:
        """Tell what has not been told."""
        self._advance(self._position - self._told, self._counted)
        self._told, self._counted, self._seen = self._position, 0, 0


def _take(
    daemon: Daemon, place: str, body: Body | BadLine, report: Callable[[str], None], outcome: Outcome
) -> int:
    """Hand a message to the intake; return 1 if it counts, 0 if not."""
    if isinstance(body, BadLine):
        outcome.bad += 1
        report(f"{place}: {body}")
        return 0
    try:
        daemon.intake.take(body)
    except Rejected as reason:
        outcome.rejected += 1
        report(f"{place}: rejected, {reason}")
        return 0
    outcome.read += 1
    return 1


def _write(daemon: Daemon, outcome: Outcome) -> None:
    if not daemon.flusher.write_all(PATIENCE):
        raise StatscacheError(
            f"not all of the {outcome.read} messages read so far could be written, the log says what is wrong; "
            "they are in the spool, and count when a daemon starts"
        )
    outcome.known = daemon.intake.duplicates + daemon.writer.duplicates
