"""`statscache plugins`: what is installed, and what runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import click

from statscache.cli.terminal import console, json_option, one_line, print_json, table_of
from statscache.configuration import fedmsg_config
from statscache.hosting.loader import Entry, load
from statscache.messages.processors import Meta
from statscache.settings import read_settings


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the installed plugins, which of them run, and why."""
    with one_line():
        config = fedmsg_config()
        settings = read_settings({"statscache.sqlalchemy.uri": "postgresql:///", **config})
        logging.getLogger("statscache.hosting.loader").setLevel(
            logging.CRITICAL
        )  # the list itself says what failed
        entries = load(settings, config)
    titles = ("plugin", "ident", "tables", "interval", "from", "on or off")
    rows = [(entry.name, *row) for entry in entries for row in _plugin_rows(entry)]
    if as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
        return
    table = table_of(*titles)
    for row in rows:
        table.add_row(*row)
    terminal = console()
    terminal.print(table)
    terminal.print(f"\nusers and packages: {Meta(config)}", soft_wrap=True)


def _plugin_rows(entry: Entry) -> Iterator[tuple[str, str, str, str, str]]:
    state = f"{'on' if entry.on else 'off'}: {entry.why}"
    for plugin in entry.plugins:
        tables = plugin.model.__table__.fullname if plugin.model is not None else ""
        yield plugin.ident, tables, str(plugin.schedule or ""), entry.source, state
    for failure in entry.failures:
        yield "", "", "", entry.source, f"does not load: {failure}"
    if not entry.plugins and not entry.failures:
        yield "", "", "", entry.source, state
