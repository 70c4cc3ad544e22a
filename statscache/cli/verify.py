"""The command that checks tables against history."""

from __future__ import annotations

import sys
import time

import click

from statscache.app import open_app
from statscache.cli.options import from_option, second_of, since_option, until_option
from statscache.cli.progress import progress
from statscache.cli.report import as_json as in_json
from statscache.cli.report import show
from statscache.cli.terminal import OneLine, one_line, print_json
from statscache.configuration import fedmsg_config
from statscache.history.archives.choose import archive_of
from statscache.history.recount.sample import Sample
from statscache.history.recount.verify import Verification

#: The exit codes.
DIFFERS, UNCHECKED = 1, 2


@click.command()
@click.option(
    "--plugin", "plugins", metavar="IDENT", multiple=True, help="Only this plugin. Can be repeated."
)
@since_option
@until_option
@click.option("--sample", metavar="N", type=click.IntRange(1), help="Check only N windows, drawn at random.")
@click.option("--seed", metavar="N", type=int, help="Draw the same windows as an earlier run with this seed.")
@from_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(
    plugins: tuple[str, ...],
    since: str | None,
    until: str | None,
    sample: int | None,
    seed: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Check the tables against an archive.

    It recounts all windows that are complete and over, beside the tables, and changes nothing in them. What it finds
    is kept in statscache_verification, so that the page and the API can say when figures were verified. The exit code
    is 0 if nothing differs, 1 if something does, and 2 if not everything could be checked.

    WHEN is like 2h, 7d, 2024-05-31 or 2024-05-31T12:00, in UTC.
    """
    first, last = _ends(since, until)
    if sample and seed is None:
        seed = time.time_ns() % 1_000_000
    with one_line():
        app = open_app(fedmsg_config(), prepared=False)
        archive = archive_of(app.settings, url)
        try:
            work = Verification(app, plugins, first, last, Sample(sample, seed or 0) if sample else None)
            with progress("verify", work.seconds) as advance:
                report = work.run(archive, advance)
        finally:
            archive.close()
    if as_json:
        print_json(in_json(report, seed))
    else:
        show(report)
        if sample:
            click.echo(f"drawn with --seed {seed}")
    if report.differing:
        sys.exit(DIFFERS)
    if not report.checked:
        sys.exit(UNCHECKED)


def _ends(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Return the seconds that the options name, None for one that is not given.

    :raises OneLine: if an option names none, or the first is not before the last
    """
    first, last = (
        None if when is None else second_of(when, option)
        for when, option in ((since, "--since"), (until, "--until"))
    )
    if first is not None and last is not None and first >= last:
        raise OneLine("--since must be before --until")
    return first, last
