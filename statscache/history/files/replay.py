"""Messages from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from statscache.app import App
from statscache.counting.notifications import tell_of_coverage
from statscache.database.lock import counting
from statscache.errors import Rejected
from statscache.history.bodies import Body, as_sent
from statscache.history.files.json_stream import BadLine
from statscache.history.files.messages import messages
from statscache.history.slice_counter import SliceCounter, patiently
from statscache.messages.message import Message
from statscache.span import Span
from statscache.store.coverage import cover

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
    replay = _Replay(app, report, advance)
    for path in paths:
        replay.read(path)
    replay.write()
    if covers and not (replay.outcome.bad or replay.outcome.is_fruitless):
        patiently(lambda: _cover(app, covers))
    return replay.outcome


class _Replay:
    """A replay under way: messages wait until there are enough for a transaction."""

    def __init__(self, app: App, report: Callable[[str], None], advance: Callable[[int, int], None]) -> None:
        self.outcome = ReplayOutcome()
        self._naming = app.naming
        self._counter = SliceCounter(app)
        self._report = report
        self._advance = advance
        self._waiting: list[Message] = []

    def read(self, path: Path) -> None:
        """Read a file, and count what there is enough of."""
        pace = Pace(self._advance)
        for place, body, position in messages(path):
            message = self._message(place, body)
            if message is not None:
                self._waiting.append(message)
            pace.go(position, message is not None)
            if len(self._waiting) == MANY:
                self.write()
        pace.tell()

    def write(self) -> None:
        """Count the messages that wait."""
        self.outcome.known += patiently(lambda: self._counter.count_loose(self._waiting))
        self.outcome.read += len(self._waiting)
        self._waiting.clear()

    def _message(self, place: str, body: Body | BadLine) -> Message | None:
        if isinstance(body, BadLine):
            self.outcome.bad += 1
            self._report(f"{place}: {body}")
            return None
        try:
            return Message(as_sent(body), self._naming)
        except Rejected as reason:
            self.outcome.rejected += 1
            self._report(f"{place}: rejected, {reason}")
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
