"""`statscache upgrade --plugin`: a plugin's table in the form that it has in this version of the plugin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy import Engine

from statscache.cli.terminal import complain, one_line, print_json
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.errors import number_of
from statscache.hosting.loader import Part, load, running
from statscache.instants import write_instant
from statscache.schema.migrations.start import begin
from statscache.schema.prepare import CORE, prepare
from statscache.settings import read_settings
from statscache.store.revisions import check_form
from statscache.upkeep.remaking import Lost, Plan, lost, plan, remake

#: The exit code where rows would be lost, or something is in the way.
WAITS = 1


def upgrade_plugin(ident: str, accept_loss: bool, dry_run: bool, as_json: bool) -> None:
    """Change the tables of a plugin, and of those that write the same; or only say what would be changed.

    :param accept_loss: whether rows may be dropped
    """
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        entries = load(settings, config)
        parts = running(entries)
        engine = open_database(settings)
        its, losses = _look(engine, parts, ident)
        waiting = list(_waiting(its, losses, accept_loss))
        changes = bool(its.tables) and not (dry_run or waiting)
        if changes:
            begin(engine, CORE)
            remake(engine, parts, ident, accept_loss)
            # Indexes, functions and the version, which the next start of a daemon would see to otherwise.
            prepare(engine, entries, parts, settings.epoch, settings.bots, settings.keep)
    _show(its, losses, changes, waiting, as_json)
    for sentence in waiting:
        complain(sentence)
    if waiting:
        sys.exit(WAITS)


def _look(engine: Engine, parts: Sequence[Part], ident: str) -> tuple[Plan, dict[str, Lost]]:
    """Return what is to be done, and what each table loses by it."""
    check_form(engine)
    with engine.connect() as connection:
        its = plan(connection, parts, ident)
        return its, {each.table.fullname: lost(connection, each) for each in its.emptied}


def _waiting(its: Plan, losses: dict[str, Lost], accept_loss: bool) -> list[str]:
    """Return why nothing is done, a sentence each."""
    if its.in_the_way:
        return [
            f"{each} depends on what would be changed: drop or change it first" for each in its.in_the_way
        ]
    rows = sum(each.rows for each in losses.values())
    if rows and not accept_loss:
        return [f"{number_of(rows, 'row')} would be lost: --accept-loss says that they may go"]
    return []


def _show(its: Plan, losses: dict[str, Lost], done: bool, waiting: Sequence[str], as_json: bool) -> None:
    if as_json:
        tables = [_as_json(each.table.fullname, each, losses) for each in its.tables]
        print_json({"plugin": its.ident, "tables": tables, "done": done, "waiting": list(waiting)})
        return
    if not its.tables:
        click.echo(f"{its.ident}: its table fits its model, nothing is to be done")
    for each in its.tables:
        name = each.table.fullname
        click.echo(f"{name}: {'; '.join(each.differences) or 'fits'}")
        click.echo(f"  {_fate(name, each, losses, done)}")
    if done:
        click.echo(f"{its.ident}: done; restart the daemons, so that they count with it again")


def _fate(name: str, each: Any, losses: dict[str, Lost], done: bool) -> str:
    """Return what becomes of the rows of a table."""
    if name not in losses:
        return "all rows are kept"
    its = losses[name]
    times = (
        ""
        if its.start is None or its.stop is None
        else f", from {write_instant(its.start)} to {write_instant(its.stop)}"
    )
    verb = "are lost" if done else "would be lost"
    return f"{number_of(its.rows, 'row')}{times} {verb}: {'; '.join(each.emptied)}"


def _as_json(name: str, each: Any, losses: dict[str, Lost]) -> dict[str, Any]:
    its = losses.get(name)
    return {
        "table": name,
        "differences": list(each.differences),
        "statements": list(each.statements),
        "lost": None
        if its is None
        else {
            "rows": its.rows,
            "from": its.start and write_instant(its.start),
            "until": its.stop and write_instant(its.stop),
            "why": list(each.emptied),
        },
        "in_the_way": list(each.in_the_way),
    }
