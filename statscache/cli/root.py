"""The statscache command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from statscache.cli.backfill import backfill, replay
from statscache.cli.grant import grant
from statscache.cli.quarantine import quarantine
from statscache.cli.serve import serve
from statscache.cli.status import status, top
from statscache.cli.terminal import (
    OneLine,
    OneLineGroup,
    console,
    json_option,
    one_line,
    print_json,
    table_of,
)
from statscache.cli.verify import verify
from statscache.database import embedded
from statscache.database.engine import database_url, open_database
from statscache.errors import Unusable
from statscache.hosting.loader import Entry, find_plugin, load
from statscache.messages.processors import Meta
from statscache.settings import Settings, fedmsg_config, read_settings


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="statscache")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done on standard error.")
def main(verbose: bool) -> None:
    """Statistics of a fedmsg bus, kept in PostgreSQL tables.

    The daemon itself runs inside fedmsg-hub; these commands look after it. They read the same settings, from
    /etc/fedmsg.d, ~/.fedmsg.d and ./fedmsg.d; STATSCACHE_SQLALCHEMY_URI names another database.
    """
    level = logging.INFO if verbose else logging.ERROR
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("statscache").setLevel(level)


@main.command()
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


@main.command()
@click.argument("ident")
@click.option(
    "--since", metavar="WHEN", help="Leave out what is earlier: 2h, 7d, or 2024-05-31T12:00 in UTC."
)
@click.option("--by", metavar="KEY", help="Sum over time for each value of this key, such as category.")
@click.option("--top", metavar="N", type=click.IntRange(1, 10_000), help="Only the N greatest counts.")
@json_option
def show(ident: str, since: str | None, by: str | None, top: int | None, as_json: bool) -> None:
    """Show what the plugin IDENT has counted.

    IDENT is as in volume-by-category-1h; `statscache plugins` lists them. Shown are the last windows, oldest
    first. With --by or --top, the greatest counts come first. What counts by a key, such as a category, is summed
    over it unless --by names it.
    """
    from statscache.cli.show import parse_since
    from statscache.cli.show import show as look

    try:
        start = None if since is None else parse_since(since, datetime.now(UTC))
    except (ValueError, OverflowError):
        raise OneLine(f"--since must be like 2h, 7d or 2024-05-31T12:00, not {since!r}") from None
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        plugin = find_plugin(load(settings, config), ident)
        with open_database(settings).connect() as connection:
            shown = look(connection, plugin, start, by, top)
    if as_json:
        print_json(shown.as_json())
        return
    terminal = console()
    terminal.print(shown.as_table())
    hint = shown.hint or ("this is what all parts of the plugin have written" if "/" in ident else "")
    if hint and terminal.is_terminal:
        terminal.print(f"\n{hint}", style="dim")


@main.command()
@click.option("--stop", is_flag=True, help="Let an embedded database stop once nothing else uses it.")
@json_option
def uri(stop: bool, as_json: bool) -> None:
    """Print what to give to psql, as in: psql "$(statscache uri)"

    An embedded database is started if need be, and then runs on until `statscache uri --stop`.
    """
    with one_line():
        settings = read_settings(fedmsg_config())
        if stop:
            _stop(settings)
            return
        url = make_url(database_url(settings))
        if settings.embedded is not None:
            embedded.keep(settings.embedded)
    found = url.set(drivername="postgresql").render_as_string(hide_password=False)
    if as_json:
        print_json({"uri": found})
    else:
        click.echo(found)


def _stop(settings: Settings) -> None:
    if settings.embedded is None:
        raise Unusable("the database is not an embedded one: stop it as its server is stopped")
    embedded.release(settings.embedded)


@main.command()
@click.option(
    "--directory", default=".demo", show_default=True, help="Where the demo keeps its database and log."
)
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0.1, 20_000), help="Messages a second."
)
@click.option("--seconds", type=click.FloatRange(1), help="End by itself after so many seconds.")
@click.option("--seed", default=1, show_default=True, help="Which of the possible streams of messages.")
def demo(directory: str, rate: float, seconds: float | None, seed: int) -> None:
    """Show counts grow, on made-up traffic.

    It runs a hub of its own on an embedded database. Ctrl-C ends it.
    """
    from statscache.demo.demo import Demo

    with one_line():
        Demo(Path(directory), rate, seed).run(seconds, console())


main.add_command(backfill)
main.add_command(grant)
main.add_command(quarantine)
main.add_command(replay)
main.add_command(status)
main.add_command(top)
main.add_command(verify)
main.add_command(serve)
