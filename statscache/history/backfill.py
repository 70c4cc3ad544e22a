"""Filling gaps by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from statscache.app import App
from statscache.history.archives.archive import Archive, Hole
from statscache.history.asking import asked
from statscache.history.plan import Piece, to_fetch
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
            for part in archive.slices(piece.span, piece.topics):
                if isinstance(part, Hole):
                    self._holes.append(part.span)
                    report(part.reason)
                    continue
                count = patiently(partial(counter.count, part, piece.plugins))
                if not piece.again:
                    self._done.append(part.span)
                    self.counted += count
                    advance(part.span.seconds, count)

    def _asked(self, archive: Archive) -> list[Piece]:
        """Return what to ask for, first what is wanted of some topics."""
        wanted = declared({plugin: self._app.plugins[plugin] for plugin in self.plugins})
        return sorted(asked(self.pieces, wanted, archive), key=lambda piece: piece.topics is None)
