"""`statscache top`: the busiest keys of the last windows, live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from statscache.cli.listing import Bar, Listing
from statscache.cli.terminal import cell, console, json_option, one_line, print_json, show_listing
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.database.trouble import first_line
from statscache.hosting.loader import find_plugin, load
from statscache.plugins import BasePlugin
from statscache.query.busiest import Top, busiest
from statscache.settings import read_settings

LEVELS = "▁▂▃▄▅▆▇█"
#: How many keys are shown where the terminal does not say.
KEYS = 20
#: The lines of the terminal that are not keys.
OTHER_LINES = 4


@click.command()
@click.argument("ident", default="volume-by-category-1m")
@click.option(
    "--windows",
    metavar="N",
    type=click.IntRange(2, 120),
    default=15,
    show_default=True,
    help="How many windows, including the present one.",
)
@click.option(
    "--keys", metavar="N", type=click.IntRange(1, 1000), help="How many keys; by default as many as fit."
)
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    help="How often to refresh; by default every 2 s.",
)
@click.option("--once", is_flag=True, help="Print once and end, as it also does without a terminal.")
@json_option
def top(ident: str, windows: int, keys: int | None, every: float, once: bool, as_json: bool) -> None:
    """Show the busiest keys of the last windows, live.

    IDENT is a plugin that counts by a key, by default volume-by-category-1m. Ctrl-C ends it.
    """
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        plugin = find_plugin(load(settings, config), ident)
        engine = open_database(settings)
        terminal = console()
        with engine.connect() as connection:
            first = busiest(connection, plugin, datetime.now(UTC), windows, keys or KEYS)
    if as_json:
        print_json(first.as_json())
    elif once or not terminal.is_terminal:
        show_listing(terminal, table_of_keys(first))
    else:
        _live(terminal, engine, plugin, windows, keys, every)


def _live(
    terminal: Console, engine: Engine, plugin: BasePlugin, windows: int, keys: int | None, every: float
) -> None:
    """Refresh until Ctrl-C. A database that is away is reported and is no reason to end."""
    try:
        with Live(console=terminal, screen=True, auto_refresh=False) as live:
            while True:
                rows = keys or max(terminal.height - OTHER_LINES, 1)
                live.update(_picture(engine, plugin, windows, rows), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        pass


def _picture(engine: Engine, plugin: BasePlugin, windows: int, keys: int) -> RenderableType:
    try:
        with engine.connect() as connection:
            found = busiest(connection, plugin, datetime.now(UTC), windows, keys)
    except DBAPIError as error:
        return Text(f"the database says: {first_line(error)}")
    return Group(table_of_keys(found), Text("Ctrl-C ends it", style="dim"))


def table_of_keys(top: Top) -> Listing:
    """Return the busiest keys for the terminal."""
    numbers = ("now", "before", f"{len(top.windows)} x {top.length}")
    rows = [
        [*map(cell, row.keys), *map(str, (row.volumes[-1], row.volumes[-2], row.total))] for row in top.rows
    ]
    return Listing(
        (*top.titles, *numbers),
        rows,
        right=numbers,
        optional=("before", numbers[2]),
        bars=[_bar_of(row.volumes) for row in top.rows],
        bar_title=f"{top.windows[0]:%H:%M:%S} … {top.windows[-1]:%H:%M:%S} UTC",
        title=f"{top.plugin}, {top.now:%Y-%m-%d %H:%M:%S} UTC" + ("" if top.rows else ": nothing"),
    )


def _bar_of(volumes: Sequence[int]) -> Bar:
    line = _line(volumes)
    return lambda width: line[-width:]  # the newest windows are the last


def _line(volumes: Sequence[int]) -> str:
    """Return the volumes as a line of bars."""
    greatest = max(volumes)
    levels = (-(-volume * len(LEVELS) // greatest) - 1 for volume in volumes)
    return "".join(LEVELS[level] if level >= 0 else " " for level in levels)
