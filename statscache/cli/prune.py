"""`statscache prune`: dropping rows that are older than `statscache.keep` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from sqlalchemy import func, select

from statscache.app import App, open_app
from statscache.cli.listing import Listing
from statscache.cli.progress import report_line
from statscache.cli.terminal import OneLine, cell, console, json_option, one_line, print_json, show_listing
from statscache.configuration import fedmsg_config
from statscache.errors import StatscacheError, some_of
from statscache.instants import write_second
from statscache.schema.partitions.present import partitions_of
from statscache.span import Span, less
from statscache.upkeep.retention.drop import drop_some
from statscache.upkeep.retention.outlook import Outlook, inside, keep_from, look, outlooks
from statscache.upkeep.retention.restore import restore
from statscache.upkeep.retention.tables import Retained, retained, unread

TITLES = ("table", "kept for", "rows", "dropped (UTC)", "stays (UTC)", "why")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be dropped, and drop nothing.")
@click.option(
    "--restore",
    "ident",
    metavar="PLUGIN",
    help="Drop nothing: let what is not kept of this plugin's table be a gap again.",
)
@json_option
def prune(dry_run: bool, ident: str | None, as_json: bool) -> None:
    """Drop the rows that are older than statscache.keep says.

    The daemon does it by itself. A window goes only when the table of the same statistic with the next longer windows
    has all of its time, or when statscache.keep, or the plugin's author, names a plugin that has no such table. For
    each table it says what is dropped, what stays, and why. You can interrupt it at any time.

    What is dropped is not kept any more: neither complete nor a gap, and nothing fills it. Where you have made
    statscache.keep longer, --restore makes a gap of it, which the archive fills.
    """
    if dry_run and ident is not None:
        raise OneLine("--restore cannot be combined with --dry-run")
    with one_line():
        app = open_app(fedmsg_config())
        tables = retained(app.parts, app.settings.keep)
        if ident is not None:
            _restore(app, tables, ident, as_json)
            return
        for name in unread(app.parts, app.settings.keep):
            report_line(
                f"statscache.keep names {name!r}, which is no plugin that runs and no length of windows"
            )
        _show([_pruned(app, its, dry_run) for its in tables], as_json)


def _restore(app: App, tables: Sequence[Retained], ident: str, as_json: bool) -> None:
    part = next((part for part in app.parts if part.ident == ident), None)
    if part is None:
        raise StatscacheError(f"no plugin {ident!r} runs here: `statscache plugins` lists those that do")
    with app.engine.connect() as connection:
        first = max((keep_from(connection, its) for its in tables if ident in its.plugins), default=0)
    spans = restore(app.engine, part, first)
    how = "statscache backfill --rebuild" if part.plugin.reach else "the daemon, or statscache backfill,"
    if as_json:
        print_json({"plugin": ident, "restored": _as_json(spans)})
    else:
        click.echo(f"{ident} is to be kept again for {_in_words(spans)}: {how} fills it from an archive")


def _pruned(app: App, its: Retained, dry_run: bool) -> dict[str, Any]:
    """Drop what is to be dropped of a table, and return what that was, and what is left."""
    with app.engine.connect() as connection:
        before = outlooks(connection, [its])
        found = before[0] if before else Outlook(its)
        rows = sum(_count(connection, its, span) for span in found.pending) if dry_run else 0
    if not dry_run:
        while dropped := drop_some(app.engine, its):
            rows += dropped.rows
        found = _after(app, its, found)
    days = its.wish.keep.total_seconds() / 86_400
    values = f"{days:g} d", rows, found.pending, found.staying, found.why
    return dict(zip(TITLES, (its.table.fullname, *values), strict=True))


def _after(app: App, its: Retained, before: Outlook) -> Outlook:
    """Return what was dropped of a table, and what stays as somebody uses it."""
    with app.engine.connect() as connection:
        left = look(connection, its).pending if partitions_of(connection, its.table) else []
    if not left:
        return before
    why = "; ".join([*filter(None, [before.why]), "somebody uses the table: run this again later"])
    return replace(before, pending=less(before.pending, left), staying=[*before.staying, *left], why=why)


def _count(connection: Any, its: Retained, span: Span) -> int:
    return int(connection.scalar(select(func.count()).select_from(its.table).where(*inside(its, span))))


def _show(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    spans = TITLES[3:5]
    if as_json:
        names = {"kept for": "kept_for", spans[0]: "dropped", spans[1]: "stays"}
        each = [{name: _as_json(its[name]) if name in spans else its[name] for name in its} for its in found]
        print_json([{names.get(name, name): value for name, value in its.items()} for its in each])
        return
    if not found:
        click.echo("statscache.keep names no table here, and no plugin does: all is kept")
        return
    cells = [[cell(_in_words(its[name]) if name in spans else its[name]) for name in TITLES] for its in found]
    show_listing(console(), Listing(TITLES, cells, prose="why", right=("rows",)))


def _as_json(spans: Sequence[Span]) -> list[dict[str, str]]:
    return [{"from": write_second(span.start), "until": write_second(span.stop)} for span in spans]


def _in_words(spans: Sequence[Span]) -> str:
    return some_of([str(span).removesuffix(" UTC") for span in spans], 1)
