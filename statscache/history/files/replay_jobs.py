"""Messages from files, counted by several processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from statscache.app import App
from statscache.history.files.messages import FilePart, FilePlace
from statscache.history.files.parts import shares
from statscache.history.files.replay import Replay, ReplayOutcome, note_covered
from statscache.history.jobs.pool import done_by
from statscache.history.jobs.task import Workplace
from statscache.span import Span

#: Where the kernel has files that mean something else in another process.
OWN = (Path("/dev"), Path("/proc"))


def can_be_shared(paths: Sequence[Path]) -> bool:
    """Return whether other processes can read the files, and in parts: they are files, and no pipes."""
    return all(
        path.is_file() and not any(path.absolute().is_relative_to(own) for own in OWN) for path in paths
    )


def replay_by_jobs(
    jobs: int,
    app: App,
    paths: Sequence[Path],
    report: Callable[[str], None],
    advance: Callable[[int, int], None],
    covers: Span | None = None,
) -> ReplayOutcome:
    """Count the messages of the files by so many processes, as `replay` does.

    :param paths: of files that can be shared
    :raises StatscacheError: also if one of the processes is killed
    """
    outcome, tasks = ReplayOutcome(), _tasks(paths, jobs)
    reports = _Reports([part for task in tasks for part in task.parts], report)
    with closing(done_by(min(jobs, len(tasks)), tasks, app)) as told:
        for what in told:
            match what:
                case _Read(size, counted):
                    advance(size, counted)
                case _Bad(part, place, why):
                    reports.add(part, place, why)
                case _End(part, size):
                    reports.end(part, size)
                case ReplayOutcome():
                    outcome.add(what)
    note_covered(app, outcome, covers)
    return outcome


def _tasks(paths: Sequence[Path], jobs: int) -> list[_ReplayParts]:
    tasks: list[_ReplayParts] = []
    for share in shares(paths, jobs):
        tasks.append(_ReplayParts(sum(len(task.parts) for task in tasks), tuple(share)))
    return tasks


@dataclass(frozen=True)
class _Read:
    """So many bytes were read and messages counted."""

    size: int
    counted: int


@dataclass(frozen=True)
class _Bad:
    """What is at a place of a part does not count."""

    part: int
    place: FilePlace
    why: str


@dataclass(frozen=True)
class _End:
    """A part was read and is so large."""

    part: int
    size: FilePlace


@dataclass(frozen=True)
class _ReplayParts:
    """The counting of parts of files, for a process of its own.

    :param first: the number of the first of them among all parts of the files, which follow it
    """

    first: int
    parts: tuple[FilePart, ...]

    def run(self, workplace: Workplace) -> None:
        """Count them, and tell how far the reading is, what does not count, and what came of it."""
        tell = workplace.tell
        counting = Replay(workplace.app, lambda size, counted: tell(_Read(size, counted)), workplace.turn)
        for number, part in enumerate(self.parts, self.first):
            size = counting.read(part, lambda place, why, number=number: tell(_Bad(number, place, why)))  # type: ignore[misc]
            tell(_End(number, size))
        counting.write()
        tell(counting.outcome)


class _Reports:
    """Tells what does not count in the order of the files, by the lines and pages of these, whoever comes first.

    :param parts: of the files, in their order
    """

    def __init__(self, parts: Sequence[FilePart], report: Callable[[str], None]) -> None:
        self._parts = parts
        self._report = report
        self._held: dict[int, list[tuple[FilePlace, str]]] = defaultdict(list)
        self._sizes: dict[int, FilePlace] = {}
        self._current = 0  # the first part that has not ended
        self._before = FilePlace(0)  # what its file has before it

    def add(self, part: int, place: FilePlace, why: str) -> None:
        """Tell why something does not count, at once or when what comes before it has been told."""
        if part == self._current:
            self._say(place, why)
        else:
            self._held[part].append((place, why))

    def end(self, part: int, size: FilePlace) -> None:
        """Note that a part has ended and how large it is, and tell what follows."""
        self._sizes[part] = size
        while self._current in self._sizes:
            self._go_on(self._sizes.pop(self._current))
            for place, why in self._held.pop(self._current, ()):
                self._say(place, why)

    def _go_on(self, size: FilePlace) -> None:
        ended = self._parts[self._current]
        self._current += 1
        before = self._before
        self._before = (
            FilePlace(before.line + size.line, before.page + size.page) if ended.stop else FilePlace(0)
        )

    def _say(self, place: FilePlace, why: str) -> None:
        before = self._before
        page = place.page and before.page + place.page
        there = FilePlace(before.line + place.line, page, place.message)
        self._report(f"{self._parts[self._current]}, {there}: {why}")
