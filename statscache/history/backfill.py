"""Filling gaps by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from statscache.app import App
from statscache.history.archives.archive import Archive, Hole
from statscache.history.archives.choose import archive_of
from statscache.history.asking import asked
from statscache.history.jobs.pool import done_by
from statscache.history.jobs.task import Workplace
from statscache.history.plan import Piece, shares, to_fetch
from statscache.history.slice_counter import SliceCounter, patiently
from statscache.history.topics import declared
from statscache.instants import write_second
from statscache.schema.tables import table_of
from statscache.span import Span, less
from statscache.store.coverage import wanted
from statscache.store.not_kept import not_kept


class Backfill:
    """What of a span some plugins lack, and how far it is filled.

    :param plugins: those that are suspended are left out
    :param start: the first second; None for what each plugin wants
    :param stop: the second after the last
    """

    def __init__(self, app: App, plugins: frozenset[str], start: int | None, stop: int) -> None:
        self._app = app
        #: Those that are left out.
        self.suspended = frozenset(p for p in plugins if app.suspensions.holds(p))
        self.plugins = plugins - self.suspended
        #: How many messages were counted.
        self.counted = 0
        self._done: list[Span] = []
        self._holes: list[Span] = []
        with app.engine.connect() as connection:
            #: What the plugins may lack something of, and what of it is to be filled, newest first.
            self.span, self.pieces = to_fetch(connection, self.plugins, start, stop)
            first = min(wanted(connection, self.plugins).values(), default=stop)
            its = [
                table.fullname
                for part in app.parts
                if part.ident in plugins and (table := table_of(part)) is not None
            ]
            self._some_is_lost = any(not_kept(connection, its, self.span).values())
        self._unwanted = first if start is None and first >= stop else None

    @property
    def idle(self) -> str:
        """Why there is nothing to fill."""
        names = ", ".join(sorted(self.suspended))
        left_out = f"suspended and left out: {names}; `statscache quarantine retry --plugin` ends that"
        if not self.plugins:
            return f"there is nothing to fill: {left_out}"
        if self._unwanted is not None:
            said = (
                f"there is nothing to fill: history is wanted from {write_second(self._unwanted)} on, "
                "and nothing of that is old enough; name an earlier time by --since, or set statscache.consumer.epoch"
            )
        else:
            lost = ", or not kept any more" if self._some_is_lost else ""
            said = f"{self.span} is covered already{lost}: there is nothing to fill"
        return f"{said} ({left_out})" if self.suspended else said

    @property
    def filled(self) -> int:
        """How many seconds were filled, for all that lacked them."""
        return sum(span.seconds for span in less(self._done, self._holes))

    @property
    def left(self) -> int:
        """How many seconds the archive did not give."""
        return sum(span.seconds for span in less(self._holes, []))

    @property
    def seconds(self) -> int:
        """How many seconds are to be filled."""
        return sum(piece.span.seconds for piece in self.pieces)

    def run(
        self, archive: Archive, report: Callable[[str], None], advance: Callable[[int, int], None]
    ) -> None:
        """Fill it.

        :param report: called with a sentence for each gap that is left
        :param advance: called with the seconds filled and the messages counted since the last call
        :raises StatscacheError: if the archive or the database cannot be used
        """
        counter = SliceCounter(self._app)
        for piece in self._asked(archive):
            for found in _fill(counter, archive, piece):
                self._note(found, report, advance)

    def run_jobs(
        self, jobs: int, url: str | None, report: Callable[[str], None], advance: Callable[[int, int], None]
    ) -> None:
        """Fill it by so many processes, as `run` does.

        :param url: of the archive; None for the one of the settings
        :raises StatscacheError: also if one of the processes is killed
        """
        connections = max(1, self._app.settings.datagrepper_connections // jobs)
        with closing(archive_of(self._app.settings, url)) as archive:
            pieces = self._asked(archive)
        tasks = [_FillPiece(piece, url, connections) for piece in shares(pieces, jobs)]
        with closing(done_by(min(jobs, len(tasks)), tasks, self._app)) as told:
            for found in told:
                self._note(found, report, advance)

    def _asked(self, archive: Archive) -> list[Piece]:
        """Return what to ask for, first what is wanted of some topics."""
        wanted = declared({plugin: self._app.plugins[plugin] for plugin in self.plugins})
        return sorted(asked(self.pieces, wanted, archive), key=lambda piece: piece.topics is None)

    def _note(
        self, found: _Filled | Hole, report: Callable[[str], None], advance: Callable[[int, int], None]
    ) -> None:
        if isinstance(found, Hole):
            self._holes.append(found.span)
            report(found.reason)
        elif not found.again:
            self._done.append(found.span)
            self.counted += found.messages
            advance(found.span.seconds, found.messages)


@dataclass(frozen=True)
class _Filled:
    """What was filled, and how many messages were counted of it.

    :param again: whether it is asked for again, for other plugins
    """

    span: Span
    messages: int
    again: bool


def _fill(counter: SliceCounter, archive: Archive, piece: Piece) -> Iterator[_Filled | Hole]:
    """Fill a piece, and yield what became of each part of it."""
    for part in archive.slices(piece.span, piece.topics):
        if isinstance(part, Hole):
            yield part
        else:
            count = patiently(partial(counter.count, part, piece.plugins))
            yield _Filled(part.span, count, piece.again)


@dataclass(frozen=True)
class _FillPiece:
    """The filling of a piece, for a process of its own.

    :param connections: how many requests to a datagrepper this process may have under way at once
    """

    piece: Piece
    url: str | None
    connections: int

    def run(self, workplace: Workplace) -> None:
        """Fill it, and tell what became of each part."""
        settings = replace(workplace.app.settings, datagrepper_connections=self.connections)
        counter = SliceCounter(workplace.app, workplace.turn)
        with closing(archive_of(settings, self.url)) as archive:
            for found in _fill(counter, archive, self.piece):
                workplace.tell(found)
