"""Filling gaps by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from statscache.app import App
from statscache.history.archives.archive import Archive, Hole
from statscache.history.plan import to_fetch
from statscache.history.slice_counter import SliceCounter, patiently


class Backfill:
    """What of a span some plugins lack, and how far it is filled.

    :param plugins: those that are suspended are left out
    :param start: the first second; None for what each plugin wants
    :param stop: the second after the last
    """

    def __init__(self, app: App, plugins: frozenset[str], start: int | None, stop: int) -> None:
        self._app = app
        self.plugins = frozenset(p for p in plugins if not app.suspensions.holds(p))
        #: How many messages were counted, how many seconds filled, and how many the archive did not give.
        self.counted = self.filled = self.left = 0
        with app.engine.connect() as connection:
            #: What the plugins may lack something of, and what of it is to be filled, newest first.
            self.span, self.pieces = to_fetch(connection, self.plugins, start, stop)

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
        for piece in self.pieces:
            for part in archive.slices(piece.span):
                if isinstance(part, Hole):
                    self.left += part.span.seconds
                    report(part.reason)
                    continue
                count = patiently(partial(counter.count, part, piece.plugins))
                self.filled += part.span.seconds
                self.counted += count
                advance(part.span.seconds, count)
