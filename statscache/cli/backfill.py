"""The commands that count messages of the past."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import click

from statscache.app import App, open_app
from statscache.cli.jobs import ending_hung, jobs_for, jobs_option
from statscache.cli.listing import Listing
from statscache.cli.options import from_option, second_of, since_option, until_option
from statscache.cli.progress import Advance, progress, report_line
from statscache.cli.report import as_json as in_json
from statscache.cli.report import show
from statscache.cli.terminal import OneLine, cell, console, json_option, one_line, print_json, show_listing
from statscache.configuration import fedmsg_config
from statscache.database.clock import earliest_now
from statscache.errors import StatscacheError, number_of
from statscache.history.archives.archive import Archive
from statscache.history.archives.choose import archive_of
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.backfill import Backfill
from statscache.span import Span

#: For so many seconds of bus time another process is worth its start.
WORTH = 86_400


@click.command()
@click.option(
    "--plugin", "plugins", metavar="IDENT", multiple=True, help="Only for this plugin. Can be repeated."
)
@since_option
@until_option
@from_option
@click.option("--dry-run", is_flag=True, help="List the gaps and fill none.")
@click.option("--rebuild", is_flag=True, help="Count covered windows again and replace them. Needs --since.")
@jobs_option
@json_option
def backfill(
    plugins: tuple[str, ...],
    since: str | None,
    until: str | None,
    url: str | None,
    dry_run: bool,
    rebuild: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Fill the gaps of the tables from an archive.

    WHEN is like 2h, 7d, 2024-05-31 or 2024-05-31T12:00, in UTC. Time that is covered already is not counted again. You
    can interrupt the command at any time; the next run goes on from there. The exit code is 1 if gaps are left.

    With --rebuild it counts all windows from --since on that are over, beside the tables, while the daemon goes on
    counting. Then it replaces the rows in one transaction and prints what differed. If interrupted, it changes nothing.
    """
    if rebuild and (since is None or dry_run):
        raise OneLine("--rebuild needs --since, and cannot be combined with --dry-run")
    if rebuild and jobs not in (None, 1):
        raise OneLine("--rebuild counts in one process: leave out --jobs")
    with one_line():
        app = open_app(fedmsg_config())
        chosen, (start, stop) = _chosen(app, plugins), _bounds(app, since, until)
        archive = None if dry_run else archive_of(app.settings, url)
        if archive is None:
            _list(_lacking(app, chosen, start, stop), as_json)
            return
        app.watchdog().start()
        try:
            if rebuild and start is not None:
                _rebuild(app, archive, chosen, Span(start, stop), as_json)
            else:
                work = _lacking(app, chosen, start, stop)
                _fill(work, _filling(app, work, archive, url, jobs), as_json)
        finally:
            archive.close()


def _lacking(app: App, plugins: frozenset[str], start: int | None, stop: int) -> Backfill:
    """Return what is to be filled.

    :raises StatscacheError: if it is nothing
    """
    work = Backfill(app, plugins, start, stop)
    if not work.pieces:
        raise StatscacheError(work.idle)
    return work


def _filling(
    app: App, work: Backfill, archive: Archive, url: str | None, wanted: int | None
) -> Callable[[Advance], None]:
    """Return what fills it, by as many processes as are wanted and as a datagrepper is to be asked by."""
    jobs = jobs_for(wanted, work.seconds, WORTH)
    if isinstance(archive, Datagrepper):
        jobs = min(jobs, app.settings.datagrepper_connections)
    if jobs == 1:
        return lambda advance: work.run(archive, report_line, advance)
    return lambda advance: work.run_jobs(jobs, url, report_line, advance)


def _fill(work: Backfill, fill: Callable[[Advance], None], as_json: bool) -> None:
    try:
        with ending_hung(), progress("backfill", work.seconds) as advance:
            fill(advance)
    except KeyboardInterrupt:
        _summarise(work, "interrupted", as_json)
        click.echo("statscache: run the command again to go on", err=True)
        sys.exit(130)
    _summarise(work, "done", as_json)
    if work.left:
        sys.exit(1)


def _rebuild(app: App, archive: Archive, plugins: frozenset[str], span: Span, as_json: bool) -> None:
    from statscache.history.recount.rebuild import rebuild

    try:
        with progress("rebuild", None) as advance:
            report = rebuild(app, archive, plugins, span, report_line, advance)
    except KeyboardInterrupt:
        click.echo("statscache: interrupted, nothing was changed", err=True)
        sys.exit(130)
    if as_json:
        print_json(in_json(report, None))
    else:
        show(report)


def _list(work: Backfill, as_json: bool) -> None:
    titles = ("from", "until", "plugins")
    rows = [
        (
            datetime.fromtimestamp(piece.span.start, UTC),
            datetime.fromtimestamp(piece.span.stop, UTC),
            sorted(piece.plugins),
        )
        for piece in work.pieces
    ]
    if as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
        return
    shown = [
        [cell(start), cell(stop), " ".join(names if len(names) < len(work.plugins) else ["all"])]
        for start, stop, names in rows
    ]
    listing = Listing(("from (UTC)", "until (UTC)", "plugins"), shown, prose="plugins")
    show_listing(console(), listing)


def _summarise(work: Backfill, how: str, as_json: bool) -> None:
    if as_json:
        found = {"messages": work.counted, "seconds": work.seconds, "filled": work.filled, "left": work.left}
        print_json({"outcome": how, **found})
        return
    click.echo(
        f"{how}: {number_of(work.counted, 'message')}, {work.filled} s of {work.seconds} s filled, "
        f"{work.left} s left as gaps"
    )


def _chosen(app: App, plugins: Sequence[str]) -> frozenset[str]:
    """Return the plugins that are meant.

    :raises StatscacheError: if one does not run here
    """
    for plugin in plugins:
        if plugin not in app.plugins:
            raise StatscacheError(f"no plugin {plugin!r} runs here: `statscache plugins` lists those that do")
    return frozenset(plugins or app.plugins)


def _bounds(app: App, since: str | None, until: str | None) -> tuple[int | None, int]:
    """Return the first second, None for what each plugin wants, and the second after the last.

    :raises StatscacheError: if the end is not yet old enough, or not after the start
    """
    latest = int(earliest_now(app.engine) - app.settings.lateness)
    start = None if since is None else second_of(since, "--since")
    stop = latest if until is None else second_of(until, "--until")
    if stop > latest:
        raise StatscacheError(
            f"--until must be at least statscache.coverage.lateness ago, {app.settings.lateness:.0f} s: "
            "the archive may not have younger messages yet"
        )
    if start is not None and start >= stop:
        raise StatscacheError("--since must be before --until")
    return start, stop
