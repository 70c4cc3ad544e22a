"""`statscache replay`: messages from files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statscache.app import App, open_app
from statscache.cli.jobs import ending_hung, jobs_for, jobs_option
from statscache.cli.options import span_of
from statscache.cli.progress import Advance, progress, report_line
from statscache.cli.report import ends
from statscache.cli.terminal import json_option, one_line, print_json
from statscache.configuration import fedmsg_config
from statscache.errors import number_of
from statscache.span import Span

if TYPE_CHECKING:
    from statscache.history.files.replay import ReplayOutcome

#: For so many bytes another process is worth its start: some ten thousand messages.
WORTH = 32 << 20


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--covers",
    nargs=2,
    metavar="FROM TO",
    help="Mark this time as covered: together the files have every message of it.",
)
@jobs_option
@json_option
def replay(files: tuple[Path, ...], covers: tuple[str, str] | None, jobs: int | None, as_json: bool) -> None:
    """Count the messages of FILES as if they came over the bus.

    Each line of a file is a JSON object: a message as fedmsg has it or as `fedora-messaging record` writes it, or an
    object with a "message". A file may also consist of pages of datagrepper's /raw or /v2/search, one after another. It
    may be compressed with gzip or zstd; - is standard input.

    Lines without a message, and messages without a usable topic or timestamp, are reported by number and skipped; the
    exit code is 2 if any line had no message, or every message was rejected. A message that was counted before, over
    the bus or from a file, is not counted again, but for plugins that lack it.
    """
    span = span_of(*covers) if covers else None
    with one_line():
        app = open_app(fedmsg_config())
        app.watchdog().start()
        with ending_hung(), progress("replay", _size(files)) as advance:
            outcome = _counted(app, files, jobs, advance, span)
    failed = bool(outcome.bad) or outcome.is_fruitless
    covered = None if failed else span
    if as_json:
        found = {"counted": outcome.counted, "known": outcome.known, "rejected": outcome.rejected}
        print_json({**found, "bad_lines": outcome.bad, "covered": None if covered is None else ends(covered)})
    else:
        click.echo(
            f"{number_of(outcome.counted, 'message')} counted, {outcome.known} known already, "
            f"{outcome.rejected} rejected, {number_of(outcome.bad, 'bad line')}"
            + (f"\n{covered} is covered" if covered else "")
        )
    if failed:
        sys.exit(2)


def _counted(
    app: App, files: Sequence[Path], jobs: int | None, advance: Advance, span: Span | None
) -> ReplayOutcome:
    """Count the messages, by as many processes as are wanted and as can read the files."""
    from statscache.history.files.replay import replay
    from statscache.history.files.replay_jobs import can_be_shared, replay_by_jobs

    number = jobs_for(jobs, _size(files) or 0, WORTH) if can_be_shared(files) else 1
    if number == 1:
        return replay(app, files, report_line, advance, span)
    return replay_by_jobs(number, app, files, report_line, advance, span)


def _size(paths: Sequence[Path]) -> int | None:
    """Return how many bytes there are to read, None where that cannot be known."""
    if not all(path.is_file() for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)
