"""`statscache forget`: nobody finds a person in the tables any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TextIO

import click
from rich.text import Text

from statscache.cli.listing import Listing
from statscache.cli.terminal import console, json_option, one_line, print_json, show_listing
from statscache.configuration import fedmsg_config
from statscache.errors import number_of, some_of
from statscache.forgetting.forgetting import Forgetting, Receipt, Wish
from statscache.forgetting.spools import Spools, clear_spools
from statscache.hosting.loader import load
from statscache.settings import read_settings
from statscache.store.revisions import open_to_write

#: For so many seconds the daemons of this machine are waited for.
PATIENCE_S = 60.0
#: So many spools are named.
NAMED = 3
ELSEWHERE = (
    "Still named may be: backups and standby servers, the database's write-ahead log and the log of statements, log "
    "files written so far, the archive, and whatever was published."
)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--from",
    "file",
    type=click.File(),
    help="Also forget the names in this file, one a line; - is standard input.",
)
@click.option("--rename", nargs=2, metavar="OLD NEW", help="Give OLD the name NEW, and forget nobody.")
@click.option("--dry-run", is_flag=True, help="Count the rows that name them, and change nothing.")
@json_option
def forget(
    names: tuple[str, ...], file: TextIO | None, rename: tuple[str, str] | None, dry_run: bool, as_json: bool
) -> None:
    """Forget people.

    Instead of each NAME, the account's, a random token is written, in every table and for every later message. So all
    totals and numbers of people stay as they are. Run this as the user of the daemon: the key by which it knows the
    names again is in the file of statscache.forget.key, which this makes. What is interrupted can be run again.
    """
    wishes = [Wish(*rename)] if rename else [Wish(name) for name in dict.fromkeys([*names, *_listed(file)])]
    if not wishes or (rename and (names or file)):
        raise click.UsageError("name whom to forget, by NAME or --from, or whom to --rename")
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        load(settings, config)  # which declares the plugins' tables
        engine = open_to_write(settings)
        forgetting = Forgetting(engine, settings.forget_key, wishes)
        receipt = forgetting.look() if dry_run else forgetting.run()
        spools = Spools() if dry_run else clear_spools(engine, settings.spools, PATIENCE_S)
    if as_json:
        print_json(
            {"rows": receipt.rows, "left": receipt.left, "spools": asdict(spools), "changed": not dry_run}
        )
    else:
        _show(receipt, spools, dry_run)


def _listed(file: TextIO | None) -> Iterable[str]:
    lines = (line.strip() for line in file or ())
    return (line for line in lines if line and not line.startswith("#"))


def _show(receipt: Receipt, spools: Spools, dry_run: bool) -> None:
    rows: list[list[str | Text]] = [
        [*name.rsplit(".", 1), str(number)] for name, number in sorted(receipt.rows.items())
    ]
    if rows:
        show_listing(console(), Listing(("table", "column", "rows"), rows, right=("rows",)))
    changed = number_of(receipt.rows.total(), "row")
    click.echo(f"{changed} would be rewritten" if dry_run else f"{changed} rewritten")
    for sentence in (*_left(receipt), *_of_spools(spools)):
        click.echo(sentence)
    if not dry_run:
        click.echo(ELSEWHERE)


def _left(receipt: Receipt) -> Sequence[str]:
    if not receipt.left:
        return ()
    return (
        f"Left as they are, since no plugin that is installed here writes them: {', '.join(receipt.left)}.",
    )


def _of_spools(spools: Spools) -> Iterable[str]:
    sentences = {
        "of dead daemons {} removed": spools.removed,
        "of dead daemons {} left, with messages that the next daemon counts first": spools.uncounted,
        "of daemons here {} not cleared yet: run this again": spools.waiting,
        "elsewhere: their daemons clear them at their next flush": spools.elsewhere,
    }
    for sentence, names in sentences.items():
        if names:
            verb = "is" if len(names) == 1 else "are"
            yield f"{number_of(len(names), 'spool')} {sentence.format(verb)} ({some_of(names, NAMED)})."
