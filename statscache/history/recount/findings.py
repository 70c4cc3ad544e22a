"""What comparing tables with history has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor

from statscache.history.archives.archive import Hole
from statscache.history.recount.compare import Differences
from statscache.history.recount.targets import Target
from statscache.plugins import Rows
from statscache.span import Span, window_start
from statscache.store.verification import Found


@dataclass
class Finding:
    """The result for one table.

    :param windows: how many windows were compared, or seconds where it has no windows
    :param incomplete: what was not compared, since it is not complete
    :param lacking: how many messages were counted that the archive has not
    :param quarantined: how many messages are in the quarantine; they are left out
    :param would_count: how many of these would count now
    :param refused: how many messages the plugins do not take that are not in the quarantine
    :param set_aside: how many messages are in the quarantine after they could not be counted again
    :param failed: why it could not be counted again; empty if it could
    :param skipped: why it was not compared; empty if it was, as far as it is complete
    :param agreeing: the windows that were compared and do not differ
    :param differing: those that do
    """

    target: Target
    windows: int = 0
    incomplete: list[Span] = field(default_factory=list)
    differences: Differences = field(default_factory=Differences)
    lacking: int = 0
    quarantined: int = 0
    would_count: int = 0
    refused: int = 0
    set_aside: int = 0
    failed: str = ""
    skipped: str = ""
    agreeing: list[Span] = field(default_factory=list)
    differing: list[Span] = field(default_factory=list)

    @property
    def found(self) -> Found:
        """What is to be kept. Where messages are refused that are in no quarantine, nothing is sure to agree."""
        return Found(self.target.table.fullname, [] if self.refused else self.agreeing, self.differing)


@dataclass
class Report:
    """The result for all tables.

    :param unfit: a sentence for each table that cannot be counted again at all
    :param unkept: why the result could not be kept; empty if it could
    """

    findings: list[Finding] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    unkept: str = ""

    @property
    def differing(self) -> int:
        """How many rows differ."""
        return sum(finding.differences.total for finding in self.findings)

    @property
    def checked(self) -> bool:
        """Whether all could be compared that is complete."""
        compared = any(finding.windows for finding in self.findings)
        return compared and not (self.holes or self.unfit or any(finding.failed for finding in self.findings))


def differing_windows(target: Target, span: Span, found: Differences) -> list[Span]:
    """Return the windows of a span that differ; all of it where that cannot be told."""
    if target.rows is not Rows.WINDOW or found.total > len(found.rows):
        return [span] if found.total else []
    seconds = {floor(row.key["timestamp"].timestamp()) for row in found.rows}
    starts = {window_start(second, target.length, target.offset) for second in seconds}
    return [Span(start, start + target.length) for start in sorted(starts)]
