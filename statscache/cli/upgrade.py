"""`statscache upgrade`: the tables in the form of this version."""

from __future__ import annotations

import sys
from typing import Any

import click

from statscache.cli.terminal import OneLine, complain, json_option, one_line, print_json
from statscache.cli.upgrade_plugin import upgrade_plugin
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.hosting.loader import load, running
from statscache.schema.prepare import CORE
from statscache.settings import read_settings

#: The exit code where something waits for daemons of an earlier version, or for somebody.
WAITS = 1


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option(
    "--plugin",
    "ident",
    metavar="PLUGIN",
    help="Give this plugin's table the form that it has in this version.",
)
@click.option("--accept-loss", is_flag=True, help="With --plugin: rows that cannot be kept may be dropped.")
@json_option
def upgrade(dry_run: bool, ident: str | None, accept_loss: bool, as_json: bool) -> None:
    """Upgrade the tables to the form of this version.

    The start of a daemon has done of it what is quick; this does the rest. Daemons go on counting. It keeps none of
    them waiting for longer than two seconds, and asks nothing. You can interrupt it at any time; the next run goes on
    from there. What takes away a form that an earlier version needs waits until no daemon of that version runs. The
    command names those that do, and the exit code is then 1.

    A table of a plugin whose old rows are to be dropped becomes the oldest partition of one in its place, without being
    written anew. Where something that hangs on it cannot be made anew, the command names that, and the exit code is 1.

    With --plugin it changes the table of a plugin that does not fit, which the start of a daemon names, and nothing
    else. Nobody counts meanwhile; daemons keep what they hear. Rows that cannot be kept are dropped only with
    --accept-loss; without it, it says which these are, and the exit code is 1. Restart the daemons afterwards.
    """
    if ident is None and accept_loss:
        raise OneLine("--accept-loss needs --plugin")
    if ident is not None:
        upgrade_plugin(ident, accept_loss, dry_run, as_json)
    else:
        _upgrade(dry_run, as_json)


def _upgrade(dry_run: bool, as_json: bool) -> None:
    """Upgrade the tables of statscache itself, and those that are to have partitions."""
    with one_line():
        from statscache.schema.exchange.turning import Turning
        from statscache.schema.migrations.upgrade import Upgrade  # which loads Alembic

        config = fedmsg_config()
        settings = read_settings(config)
        engine = open_database(settings)
        work = Upgrade(engine, CORE, lambda line: click.echo(line, err=as_json))
        plan = work.plan()
        turning = Turning(engine, running(load(settings, config)), settings.keep, work.tell)
        turns = turning.plan()
        if not dry_run:
            work.run()
            turning.run()
        waiting = [*work.waiting_for(), *(turn.why_not for turn in turns if turn.in_the_way)]
    if as_json:
        print_json(
            {
                "upgrades": [script.as_json() for script in plan],
                "partitions": [turn.as_json() for turn in turns],
                "waiting": waiting,
            }
        )
    else:
        _show(plan, turns, dry_run)
    for sentence in waiting:
        complain(sentence)
    if waiting:
        sys.exit(WAITS)


def _show(plan: list[Any], turns: list[Any], dry_run: bool) -> None:
    if not plan and not turns:
        click.echo("nothing is left to upgrade")
    for script in plan if dry_run else ():
        click.echo(f"{script.id}: {script.about} ({', '.join(script.tables)}; {script.how})")
    for turn in turns if dry_run else ():
        if not turn.in_the_way:
            click.echo(f"{turn}")
