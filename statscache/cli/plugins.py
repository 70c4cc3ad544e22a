"""`statscache plugins`: what is installed, and what runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.text import Text
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from statscache.cli.listing import Listing
from statscache.cli.progress import report_line
from statscache.cli.terminal import cell, console, json_option, one_line, print_json, show_listing, styled
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.database.trouble import NO_TABLE, first_line, state_of
from statscache.errors import StatscacheError
from statscache.hosting.loader import Entry, load
from statscache.hosting.suspensions import SuspensionRow
from statscache.messages.naming import Meta
from statscache.plugins import BasePlugin, Umbrella
from statscache.plugins.in_windows import tables_of
from statscache.schema.tables import find_misfits
from statscache.settings import NO_DATABASE, URI, URI_VARIABLE, Settings, read_settings

#: How long in seconds the database may take to let us in.
PATIENCE = 3


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the installed plugins, which of them run, and why.

    It looks into the database, if there is one, for plugins that cannot run on their tables, or are suspended.
    """
    with one_line():
        config = fedmsg_config()
        settings = read_settings({URI: NO_DATABASE, **config})
        logging.getLogger("statscache.hosting.loader").setLevel(
            logging.CRITICAL
        )  # the list itself says what failed
        entries = load(settings, config)
        disabled = _disabled(settings, entries)
    titles = ("plugin", "ident", "tables", "interval", "from", "on or off")
    rows = [(entry.name, *row) for entry in entries for row in _plugin_rows(entry, disabled)]
    if as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
        return
    shown: list[list[str | Text]] = [[*map(cell, row[:-1]), styled(row[-1], _style(row[-1]))] for row in rows]
    group = ("plugin", "on or off", "from")
    terminal = console()
    show_listing(terminal, Listing(titles, shown, prose="on or off", optional=("interval",), group=group))
    terminal.print(f"\nusers and packages: {Meta(config)}")


def _style(state: str) -> str:
    """Return the colour of a state, by its first words."""
    styles = {"on": "green", "off": "dim", "suspended": "yellow"}
    return styles.get(state.partition(":")[0], "red")


def _plugin_rows(entry: Entry, disabled: Mapping[str, str]) -> Iterator[tuple[str, str, str, str, str]]:
    state = f"{'on' if entry.on else 'off'}: {entry.why}"
    for plugin in entry.plugins:
        tables = plugin.model.__table__.fullname if plugin.model is not None else ""
        its = disabled.get(plugin.ident, state) if entry.on else state
        yield plugin.ident, tables, str(plugin.schedule or ""), entry.source, its
    for failure in entry.failures:
        yield "", "", "", entry.source, f"does not load: {failure}"
    if not entry.plugins and not entry.failures:
        yield "", "", "", entry.source, state


def _disabled(settings: Settings, entries: Sequence[Entry]) -> dict[str, str]:
    """Return what keeps plugins that are on from running, as the database tells, by their idents."""
    if not _has_database(settings):
        return {}
    running = [plugin for entry in entries if entry.on for plugin in entry.plugins]
    try:
        engine = open_database(replace(settings, database_wait=0.0), PATIENCE)
        with engine.connect() as connection:
            return dict([*_suspended(connection, running), *_misfits(connection, running)])
    except StatscacheError as error:
        reason = str(error)
    except DBAPIError as error:
        if state_of(error) == NO_TABLE:
            return {}  # no daemon has run there yet
        reason = f"the database of {settings.uri_name} failed: {first_line(error)}"
    report_line(f"whether their tables fit is not known: {reason}")
    return {}


def _has_database(settings: Settings) -> bool:
    """Return whether there is a database to ask, without making an embedded one."""
    if settings.embedded is not None:
        return (Path(settings.embedded).expanduser() / "PG_VERSION").exists()
    return settings.uri_name == URI_VARIABLE or settings.uri != read_settings({URI: NO_DATABASE}, {}).uri


def _misfits(connection: Connection, running: Sequence[BasePlugin]) -> Iterator[tuple[str, str]]:
    tables = {plugin.ident: tables_of(plugin.model) for plugin in running}
    misfits = find_misfits(connection, dict.fromkeys(table for its in tables.values() for table in its))
    for ident, its in tables.items():
        for table in its:
            if table.fullname in misfits:
                yield ident, f"disabled: {misfits[table.fullname]}"


def _suspended(connection: Connection, running: Sequence[BasePlugin]) -> Iterator[tuple[str, str]]:
    columns = (SuspensionRow.plugin, SuspensionRow.until, SuspensionRow.reason)
    query = select(*columns).where(SuspensionRow.until > func.now())
    found = {
        plugin: f"until {cell(until)} UTC, {cell(reason)}"
        for plugin, until, reason in connection.execute(query)
    }
    for plugin in running:
        parts = plugin.parts if isinstance(plugin, Umbrella) else ()
        names = {f"{plugin.ident}/{part.ident}": f"{part.ident} " for part in parts} | {plugin.ident: ""}
        its = [f"{word}{found[name]}" for name, word in names.items() if name in found]
        if its:
            yield plugin.ident, f"suspended: {'; '.join(its)}"
