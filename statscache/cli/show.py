"""`statscache show`: what a plugin has counted."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.table import Table

from statscache.cli.options import parse_since
from statscache.cli.terminal import (
    OneLine,
    bar_of,
    cell,
    console,
    json_option,
    one_line,
    print_json,
    table_of,
)
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.hosting.loader import find_plugin, load
from statscache.query.recent import Shown, recent
from statscache.settings import read_settings

BAR = 30


@click.command()
@click.argument("ident")
@click.option("--since", metavar="WHEN", help="Leave out earlier rows: 2h, 7d, or 2024-05-31T12:00 in UTC.")
@click.option("--by", metavar="KEY", help="Sum over time for each value of this key, such as category.")
@click.option("--top", metavar="N", type=click.IntRange(1, 10_000), help="Only the N greatest counts.")
@json_option
def show(ident: str, since: str | None, by: str | None, top: int | None, as_json: bool) -> None:
    """Show what the plugin IDENT has counted.

    IDENT is a plugin's identifier, such as volume-by-category-1h; `statscache plugins` lists them. The last windows are
    shown, oldest first; with --by or --top, the greatest counts come first. Counts by a key, such as category, are
    summed over the key unless --by names it.
    """
    try:
        start = None if since is None else parse_since(since, datetime.now(UTC))
    except (ValueError, OverflowError):
        raise OneLine(f"--since must be like 2h, 7d or 2024-05-31T12:00, not {since!r}") from None
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        plugin = find_plugin(load(settings, config), ident)
        with open_database(settings).connect() as connection:
            shown = recent(connection, plugin, start, by, top)
    if as_json:
        print_json(shown.as_json())
        return
    terminal = console()
    terminal.print(table_of_rows(shown))
    hint = shown.hint or ("these rows come from all parts of the plugin" if "/" in ident else "")
    if hint and terminal.is_terminal:
        terminal.print(f"\n{hint}", style="dim")


def table_of_rows(shown: Shown) -> Table:
    """Return rows for the terminal."""
    if shown.bars:
        return _with_bars(shown)
    table = table_of(*(shown.titles if shown.rows else ("no rows",)))
    for row in shown.rows:
        table.add_row(*map(cell, row))
    return table


def _with_bars(shown: Shown) -> Table:
    table = table_of(*shown.titles[:-1])
    table.add_column(shown.titles[-1], justify="right", no_wrap=True)
    table.add_column("")
    greatest = max((int(row[-1]) for row in shown.rows), default=1)
    for row in shown.rows:
        bar = bar_of("█" * max(1, round(BAR * int(row[-1]) / greatest)))
        table.add_row(*map(cell, row), bar)
    return table
