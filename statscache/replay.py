"""Messages from files, through the same intake and flush as those of the bus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statscache.daemon import Daemon
from statscache.errors import Rejected, StatscacheError
from statscache.intake import MANY

#: How long in seconds a replay waits for a database that has gone.
PATIENCE = 60.0


class BadLine(StatscacheError):
    """A line that holds no message; the text says why."""


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

    :param report: called with a sentence for each line that does not count
    :param advance: called with the bytes read and the messages counted since the last call
    :raises StatscacheError: if the database cannot be written to
    """
    outcome = Outcome()
    for path in paths:
        for place, line in _lines(path):
            counted = _take(daemon, place, line, report, outcome)
            advance(len(line), counted)
            if counted and outcome.read % MANY == 0:
                _write(daemon, outcome)
    _write(daemon, outcome)
    return outcome


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield f"{path}, line {number}", line


def _take(daemon: Daemon, place: str, line: bytes, report: Callable[[str], None], outcome: Outcome) -> int:
    """Hand the line's message to the intake; return 1 if it counts, 0 if not."""
    if not line.strip():
        return 0
    try:
        daemon.intake.take(parse(line))
    except BadLine as error:
        outcome.bad += 1
        report(f"{place}: {error}")
        return 0
    except Rejected as reason:
        outcome.rejected += 1
        report(f"{place}: rejected, {reason}")
        return 0
    outcome.read += 1
    return 1


def parse(line: bytes) -> dict[str, Any]:
    """Return the message of a line of JSON, which is the message itself or an object with a `message`.

    :raises BadLine: if it is neither
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON ({error})") from None
    if isinstance(value, dict) and "topic" not in value and isinstance(value.get("message"), dict):
        value = value["message"]
    if not isinstance(value, dict):
        raise BadLine("not a message: expected an object with topic, msg and timestamp")
    return value


def _write(daemon: Daemon, outcome: Outcome) -> None:
    if not daemon.flusher.write_all(PATIENCE):
        raise StatscacheError(
            f"not all of the {outcome.read} messages read so far could be written, the log says what is wrong; "
            "they are in the spool, and count when a daemon starts"
        )
    outcome.known = daemon.intake.duplicates + daemon.writer.duplicates
