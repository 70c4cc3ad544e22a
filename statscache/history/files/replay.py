"""Messages from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statscache.app import App
from statscache.counting.notifications import tell_of_coverage
from statscache.database.lock import counting
from statscache.errors import Rejected
from statscache.history.bodies import Body, as_sent
from statscache.history.files.json_stream import BadLine
from statscache.history.files.messages import FilePart, FilePlace, FileReading
from statscache.history.slice_counter import SliceCounter, patiently
from statscache.messages.message import Message
from statscache.span import Span
from statscache.store.coverage import cover

#: Takes a place of a file that does not count, and why not.
Report = Callable[[FilePlace, str], None]
#: So many messages are counted in one transaction.
MANY = 10_000
#: After so many messages it is told how far the reading is.
OFTEN = 100


@dataclass
class ReplayOutcome:
    """What became of the lines of the files.

    :param known: how many of the messages read had been counted before, by every plugin
    """

    read: int = 0
    known: int = 0
    rejected: int = 0
    bad: int = 0

    @property
    def is_fruitless(self) -> bool:
        """Whether there was something to read and all of it was rejected."""
        return self.rejected > 0 and not self.read

    @property
    def counted(self) -> int:
        """How many messages count now that some plugin had not counted before."""
        return self.read - self.known

    def add(self, other: ReplayOutcome) -> None:
        """Add what became of other lines."""
        self.read += other.read
        self.known += other.known
        self.rejected += other.rejected
        self.bad += other.bad


def replay(
    app: App,
    paths: Iterable[Path],
    report: Callable[[str], None],
    advance: Callable[[int, int], None],
    covers: Span | None = None,
) -> ReplayOutcome:
    """Count the messages of the files.

    :param paths: of the files; `-` for standard input
    :param report: called with a sentence for each line that does not count
    :param advance: called with the bytes read and the messages counted since the last call
    :param covers: of which bus time the files together have every message; not noted if there are bad lines,
        or if every line is rejected
    :raises StatscacheError: if the database cannot be written to
    """
    counting = Replay(app, advance)
    for path in paths:
        part = FilePart(path)
        counting.read(part, lambda place, what, part=part: report(f"{part}, {place}: {what}"))  # type: ignore[misc]
    counting.write()
    note_covered(app, counting.outcome, covers)
    return counting.outcome


def note_covered(app: App, outcome: ReplayOutcome, covers: Span | None) -> None:
    """Note that a time is covered, if that is wanted, unless something came of the files that speaks against it."""
    if covers and not (outcome.bad or outcome.is_fruitless):
        patiently(lambda: _cover(app, covers))


class Replay:
    """A replay under way: messages wait until there are enough for a transaction.

    :param advance: called with the bytes read and the messages counted since the last call
    :param turn: is had while something is written
    """

    def __init__(
        self, app: App, advance: Callable[[int, int], None], turn: AbstractContextManager[Any] | None = None
    ) -> None:
        self.outcome = ReplayOutcome()
        self._naming = app.naming
        self._counter = SliceCounter(app, turn)
        self._advance = advance
        self._waiting: list[Message] = []

    def read(self, part: FilePart, report: Report) -> FilePlace:
        """Read part of a file, and count what there is enough of.

        :param report: called with each place whose line does not count, and why not
        :return: how large the part is; the lines are known where it has an end
        """
        pace, reading = Pace(self._advance), FileReading(part)
        for place, body, position in reading.messages():
            message = self._message(place, body, report)
            if message is not None:
                self._waiting.append(message)
            pace.go(position, message is not None)
            if len(self._waiting) == MANY:
                self.write()
        pace.tell()
        return reading.size

    def write(self) -> None:
        """Count the messages that wait."""
        self.outcome.known += patiently(lambda: self._counter.count_loose(self._waiting))
        self.outcome.read += len(self._waiting)
        self._waiting.clear()

    def _message(self, place: FilePlace, body: Body | BadLine, report: Report) -> Message | None:
        if isinstance(body, BadLine):
            self.outcome.bad += 1
            report(place, str(body))
            return None
        try:
            return Message(as_sent(body), self._naming)
        except Rejected as reason:
            self.outcome.rejected += 1
            report(place, f"rejected, {reason}")
            return None


class Pace:
    """Tells how far a file was read, often enough to look at and not for each message."""

    def __init__(self, advance: Callable[[int, int], None]) -> None:
        self._advance = advance
        self._told = self._position = self._counted = self._seen = 0

    def go(self, position: int, counts: bool) -> None:
        """Note a message, how many bytes were read up to it and whether it counts."""
        self._position = position
        self._counted += counts
        self._seen += 1
        if self._seen == OFTEN:
            self.tell()

    def tell(self) -> None:
        """Tell what has not been told."""
        self._advance(self._position - self._told, self._counted)
        self._told, self._counted, self._seen = self._position, 0, 0


def _cover(app: App, span: Span) -> None:
    with counting(app.engine) as connection:
        cover(connection, app.writer.plugins, span)
        tell_of_coverage(connection, app.writer.plugins)
