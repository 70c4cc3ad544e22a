"""Checks the tables against history."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from math import floor

from sqlalchemy import Connection

from statscache.app import App
from statscache.database.clock import earliest_now
from statscache.errors import StatscacheError
from statscache.history.archives.archive import Archive, Hole
from statscache.history.recount.claims import Claims
from statscache.history.recount.ever import comparison
from statscache.history.recount.findings import Finding, Report, differing_windows
from statscache.history.recount.quarantined import copy, leave_out, quarantined_in, refused
from statscache.history.recount.recount import Advance, Recount, Spans, fetched
from statscache.history.recount.sample import Sample, drawn
from statscache.history.recount.shadow import Shadow
from statscache.history.recount.targets import Target, choose, wanted_since
from statscache.plugins import Rows
from statscache.span import Span, without
from statscache.store.coverage import gaps, wanted
from statscache.store.not_kept import not_kept
from statscache.store.removals import removed

#: So many rows that differ are kept of each table.
MOST = 100
#: Why a table is not compared whose rows come of all messages ever.
PARTIAL = "its rows come of all messages ever, so that it can be checked for all time only, where all of it is complete"
#: How long in seconds to wait before asking the archive again for what it lacks.
PAUSES = (1.0, 5.0)


class Verification:
    """A comparison of tables with history, and its result.

    :param idents: the plugins, or none for all
    :param since: from which second on; None for all that is wanted
    :param until: until before which second; None for up to now, without what may still be late
    :param sample: None for all windows
    :raises StatscacheError: if there is nothing to compare
    """

    def __init__(
        self,
        app: App,
        idents: Collection[str],
        since: int | None = None,
        until: int | None = None,
        sample: Sample | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._app = app
        self._pauses = pauses
        targets, unfit = choose(app, idents)
        #: The result.
        self.report = Report([Finding(target) for target in targets], unfit)
        self.spans: Spans = self._complete(since, closed(app, until), sampled=sample is not None)
        if sample:
            self.spans = drawn(self.spans, sample)
        if not any(self.spans.values()):
            raise StatscacheError(
                "there is no window to check: none in that time is both complete and over; "
                "`SELECT * FROM statscache_freshness` shows what is complete"
                if targets
                else " ".join(unfit)
            )

    @property
    def seconds(self) -> int:
        """How much bus time is fetched."""
        needed = fetched(self.spans).values()
        ends = sorted((span for spans in needed for span in spans), key=lambda span: span.start)
        total, done = 0, 0
        for span in ends:
            total += max(0, span.stop - max(span.start, done))
            done = max(done, span.stop)
        return total

    def run(self, archive: Archive, advance: Advance = lambda seconds, messages: None) -> Report:
        """Compare, changing nothing, and keep the result.

        :raises StatscacheError: if the archive cannot be used
        """
        beside = Shadow(self._app, [finding.target for finding in self.report.findings])
        needed = fetched(self.spans)
        claims = Claims(self._app.engine, str(archive))
        try:
            claims.make(self.spans)
            with beside.beside() as connection:
                quarantined = {
                    f.target: quarantined_in(connection, f.target, needed[f.target])
                    for f in self.report.findings
                }
            for its in quarantined.values():
                leave_out(beside, its)
            recount = Recount(archive, beside, needed, advance)
            recount.fetch()
            self._compare(recount)
            claims.keep([finding.found for finding in self.report.findings])
            for finding in self.report.findings:
                self._try_quarantined(beside, finding, quarantined[finding.target])
        finally:
            claims.give_up()
            beside.close()
        self.report.unkept = claims.trouble
        return self.report

    def _complete(self, since: int | None, until: int, sampled: bool) -> Spans:
        """Return the windows of each table that are complete, and note what is not."""
        with self._app.engine.connect() as connection:
            findings = self.report.findings
            return {its.target: _windows(connection, its, since, until, sampled) for its in findings}

    def _compare(self, recount: Recount) -> None:
        unseen = self._ask_again(recount)
        self.report.holes = recount.holes
        with recount.shadow.beside() as connection:
            failed = recount.failed(connection)
            for finding in self.report.findings:
                target = finding.target
                finding.failed = failed.get(target, "")
                finding.lacking = len(unseen.get(target, ()))
                finding.refused = refused(connection, target)
                if not finding.failed:
                    self._compare_table(connection, finding, recount.holes)

    def _ask_again(self, recount: Recount) -> dict[Target, dict[str, int]]:
        """Have those messages fetched that were counted and that the archive did not have; return those it has not."""
        for pause in (*self._pauses, None):
            with recount.shadow.beside() as connection:
                unseen = recount.unseen(connection)
            if not unseen or pause is None or recount.holes:
                break
            time.sleep(pause)
            recount.fetch_again(unseen)
        return unseen

    def _compare_table(self, connection: Connection, finding: Finding, holes: Sequence[Hole]) -> None:
        target = finding.target
        gone = [Span(hole.span.start, hole.span.stop + target.reach) for hole in holes]
        if target.rows is Rows.EVER and gone:
            finding.skipped = PARTIAL
            return
        for whole in self.spans[target]:
            for span in (w for part in without(whole, gone) for w in target.within(part)):
                found = comparison(target, span).find(connection, MOST)
                finding.windows += span.seconds // target.length
                finding.differences.total += found.total
                finding.differences.rows += found.rows[: MOST - len(finding.differences.rows)]
                differing = differing_windows(target, span, found)
                finding.differing += differing
                finding.agreeing += without(span, differing)

    def _try_quarantined(
        self, beside: Shadow, finding: Finding, quarantined: dict[str, dict[str, int]]
    ) -> None:
        """Find out how many of the messages in the quarantine would count now."""
        for plugin, its in quarantined.items():
            finding.quarantined += len(its)
            if its and not finding.failed:
                with beside.beside() as connection:
                    copy(connection, plugin, list(its))
                finding.would_count += beside.app.retry(plugin, list(its))


def closed(app: App, until: int | None) -> int:
    """Return the second before which all is to be looked at: no message of it is late any more."""
    latest = floor(earliest_now(app.engine) - app.settings.lateness)
    return latest if until is None else min(until, latest)


def _windows(
    connection: Connection, finding: Finding, since: int | None, until: int, sampled: bool
) -> list[Span]:
    """Return the windows of a table that are complete; no part of them where its rows come of all messages ever."""
    target = finding.target
    first = wanted_since(connection, target)
    start = first if since is None else since
    if start is None or start >= until:
        return []
    span = Span(start, until)
    finding.incomplete = _incomplete(connection, target, span)
    if target.rows is Rows.EVER and (finding.incomplete or sampled or start != first):
        finding.skipped = PARTIAL
        return []
    return [window for part in without(span, finding.incomplete) for window in target.within(part)]


def _incomplete(connection: Connection, target: Target, span: Span) -> list[Span]:
    """Return what of the span some plugin of the table lacks, or is gone or not kept; all if a plugin is unknown."""
    (needed,) = target.fetched([span])
    lacking = gaps(connection, target.plugins, needed)
    its = [Span(gap.start, gap.stop + target.reach) for found in lacking.values() for gap in found]
    for lost in (removed, not_kept):
        its += lost(connection, [target.table.fullname], span)[target.table.fullname]
    known = wanted(connection, target.plugins)
    if target.plugins - known.keys():
        return [span]
    complete = without(span, its)
    return without(span, complete)
