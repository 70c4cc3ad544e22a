"""The result of comparing tables with history, at the terminal and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click
from rich.text import Text

from statscache.cli.listing import Listing
from statscache.cli.terminal import cell, console, show_listing, styled
from statscache.errors import number_of
from statscache.history.recount.compare import Difference, Row
from statscache.history.recount.findings import Finding, Report
from statscache.history.recount.targets import Target
from statscache.history.recount.verify import MOST
from statscache.instants import write_instant, write_second
from statscache.plugins import Rows
from statscache.span import Span

#: So many tables, and times, are named in a sentence.
NAMED = 3


def show(report: Report) -> None:
    """Print what differs, with remarks."""
    shown = [(f.target, row) for f in report.findings for row in f.differences.rows][:MOST]
    if shown:
        titles = ("plugin", "window (UTC)", "key", "actual", "recounted")
        rows = [_row(target, row) for target, row in shown]
        show_listing(console(), Listing(titles, rows, group=("plugin",)))
    if report.differing > len(shown):
        click.echo(f"… and {report.differing - len(shown)} more")
    for sentence in _sentences(report):
        click.echo(sentence)
    differing = sum(bool(finding.differences.total) for finding in report.findings)
    windows = sum(finding.windows for finding in report.findings)
    click.echo(
        f"{number_of(windows, 'window')} of {number_of(len(report.findings), 'table')} counted again: "
        + (
            f"{number_of(report.differing, 'differing row')} in {number_of(differing, 'table')}"
            if report.differing
            else "nothing differs"
        )
    )


def _row(target: Target, row: Difference) -> list[str | Text]:
    window, key, actual, recounted = map(cell, _cells(target, row))
    return [target.name, window, key, styled(actual, "red"), styled(recounted, "green")]


def _sentences(report: Report) -> Iterator[str]:
    yield from report.unfit
    for hole in report.holes:
        yield f"not checked: {hole.reason}"
    for spans, names in _incomplete(report.findings).items():
        yield f"not checked for {_some(names)}, because it is not complete: {_some([str(span) for span in spans])}"
    if report.unkept:
        yield f"the result could not be kept, so that nothing tells when figures were verified: {report.unkept}"
    for finding in report.findings:
        yield from (f"{finding.target.name}: {what}" for what in _remarks(finding))


def _remarks(finding: Finding) -> Iterator[str]:
    if finding.failed:
        yield f"cannot be counted again, it fails for too many messages; the last error: {finding.failed}"
    if finding.skipped:
        yield f"not checked: {finding.skipped}"
    if finding.lacking:
        yield f"the archive lacks {number_of(finding.lacking, 'counted message')}"
    if finding.quarantined:
        yield (
            f"{number_of(finding.quarantined, 'message')} in the quarantine left out, of which "
            f"{finding.would_count} would count now (`statscache quarantine retry`)"
        )
    if finding.set_aside:
        yield f"{number_of(finding.set_aside, 'message')} could not be counted again and went to the quarantine"
    if finding.refused:
        yield f"{number_of(finding.refused, 'message')} outside the quarantine could not be counted again"


def _incomplete(findings: Iterable[Finding]) -> dict[tuple[Span, ...], list[str]]:
    """Return the tables for which the same time is not complete, by that time."""
    found = defaultdict(list)
    for finding in findings:
        if finding.incomplete:
            found[tuple(finding.incomplete)].append(finding.target.name)
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cells(target: Target, row: Difference) -> tuple[Any, str, str, str]:
    """Return window, key, and what is and should be there."""
    key = dict(row.key)
    window = key.pop("timestamp") if target.rows is Rows.WINDOW else None
    return window, ", ".join(map(str, key.values())), _values(row.actual), _values(row.recounted)


def _values(row: Row | None) -> str:
    if row is None:
        return "no row"
    if len(row) == 1:
        return str(*row.values())
    return ", ".join(f"{name}={cell(value)}" for name, value in row.items())


def as_json(report: Report, seed: int | None) -> dict[str, Any]:
    """Return the same, fit for JSON.

    :param seed: of the sample; None without one
    """
    return {
        "differing": report.differing,
        "checked": report.checked,
        "seed": seed,
        "unfit": report.unfit,
        "unkept": report.unkept,
        "holes": [{**ends(hole.span), "reason": hole.reason} for hole in report.holes],
        "tables": [_finding_as_json(finding) for finding in report.findings],
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "table": finding.target.table.fullname,
        "plugins": sorted(finding.target.plugins),
        "windows": finding.windows,
        "incomplete": [ends(span) for span in finding.incomplete],
        "differing": finding.differences.total,
        "differences": [
            {"key": _plain(row.key), "actual": _plain(row.actual), "recounted": _plain(row.recounted)}
            for row in finding.differences.rows
        ],
        "lacking": finding.lacking,
        "quarantined": finding.quarantined,
        "would_count": finding.would_count,
        "refused": finding.refused,
        "failed": finding.failed,
    }


def ends(span: Span) -> dict[str, str]:
    """Return a span as JSON can hold it."""
    return {"start": write_second(span.start), "stop": write_second(span.stop)}


def _plain(row: Row | None) -> dict[str, Any] | None:
    """Return a row as JSON can hold it."""
    if row is None:
        return None
    return {name: write_instant(v) if isinstance(v, datetime) else v for name, v in row.items()}
