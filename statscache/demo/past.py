"""A made-up week before the demo, counted as history is: with one gap that stays a gap.

It runs as a process of its own while the daemon starts. `main` counts the week, says so in a line on standard output,
and when it gets a line fills what is left up to then: nothing was sent before the demo sends its first message.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from statscache.app import App, open_app
from statscache.configuration import fedmsg_config
from statscache.database.lock import counting
from statscache.demo.processes import WEEK
from statscache.demo.traffic import traffic
from statscache.history.archives.archive import Hole, Slice
from statscache.history.backfill import Backfill
from statscache.history.topics import Topics
from statscache.plugins import Note
from statscache.span import Span, without
from statscache.spool.loss import Loss
from statscache.store.coverage import CoverageRow
from statscache.store.gaps import GapRow, record_gap
from statscache.store.notes import add_note

log = logging.getLogger(__name__)

DAY = 86_400
#: How long it is, how many messages a second there were in mean, and where in it the gap and the release are.
LENGTH, RATE = WEEK, 0.012
GAP = Span(4 * DAY - 5 * 3600, 4 * DAY)
RELEASE = 2 * DAY + 9 * 3600
LOST = "the demo pretends that the disk of the spool was full"
RELEASED = "A made-up release, as `statscache note add` would note it"
#: What the process says once the week is counted.
COUNTED = "counted"


class MadeUpArchive:
    """Has made-up messages of a week, but for a gap, and none of the time after it.

    :param start: when the week begins, in seconds since 1970
    """

    def __init__(self, seed: int, start: int) -> None:
        self._gap = Span(start + GAP.start, start + GAP.stop)
        self._week = Span(start, start + LENGTH)
        self._seed = seed

    @property
    def gap(self) -> Span:
        """The gap."""
        return self._gap

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        """Yield what there is of a span, whatever is wanted of it, and the gap as a hole."""
        for part in without(span, [self._gap]):
            yield Slice(part, [body for body in self._bodies() if int(body["timestamp"]) in part])
        if span.start < self._gap.stop and span.stop > self._gap.start:
            yield Hole(self._gap, LOST)

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        """Return that it gives all anyway."""
        return [1.0] * len(wanted)

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def _bodies(self) -> Iterator[dict[str, Any]]:
        for body in traffic(self._seed, self._week.start, RATE):
            if body["timestamp"] >= self._week.stop:
                return
            yield body


class Past:
    """Counts the week, unless this database has counted before.

    :param now: when the week ends, in seconds since 1970
    """

    def __init__(self, app: App, seed: int, now: int) -> None:
        self._app = app
        self._start = now - LENGTH
        self._archive = MadeUpArchive(seed, self._start)
        self._is_first = not self._has_counted()

    def _has_counted(self) -> bool:
        with self._app.engine.connect() as connection:
            any_gap = connection.scalar(select(GapRow.id).limit(1))
            counted = connection.scalar(
                select(CoverageRow.plugin).where(CoverageRow.covered != "{}").limit(1)
            )
        return any_gap is not None or counted is not None

    def count(self) -> None:
        """Count the week, and note its gap and its release."""
        if not self._is_first:
            return
        self._fill(self._start + LENGTH)
        gap = self._archive.gap
        loss = Loss(random.Random(gap.start).randrange(100, 300), gap.start, gap.stop - 1, reason=LOST)
        release = datetime.fromtimestamp(self._start + RELEASE, UTC)
        with counting(self._app.engine) as connection:
            record_gap(connection, list(self._app.plugins), loss)
            add_note(connection, Note(release, None, "release", RELEASED))

    def go_on(self, now: int) -> None:
        """Cover what is left of the time up to now, in which nothing was sent."""
        if self._is_first:
            self._fill(now)

    def _fill(self, stop: int) -> None:
        backfill = Backfill(self._app, frozenset(self._app.plugins), self._start, stop)
        backfill.run(self._archive, log.info, lambda seconds, messages: None)


def main() -> None:
    """Count the week of the configuration in this directory. The argument is the seed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = open_app(fedmsg_config())
    assert app.settings.epoch  # the demo sets it to when the week begins
    past = Past(app, int(sys.argv[1]), int(app.settings.epoch.timestamp()) + LENGTH)
    past.count()
    print(COUNTED, flush=True)
    if sys.stdin.readline():
        past.go_on(int(time.time()))
