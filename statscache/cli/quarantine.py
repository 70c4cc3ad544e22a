"""The commands that look after the quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from rich.text import Text
from sqlalchemy import Connection, select

from statscache.app import open_app
from statscache.cli.listing import Listing
from statscache.cli.terminal import (
    cell,
    complain,
    console,
    json_option,
    one_line,
    print_json,
    show_listing,
    styled,
)
from statscache.configuration import fedmsg_config
from statscache.counting.notifications import tell_of_coverage
from statscache.database.engine import open_database
from statscache.database.lock import counting
from statscache.errors import StatscacheError, number_of
from statscache.messages.ids import canonical_id
from statscache.settings import read_settings
from statscache.store import quarantine as store
from statscache.store.quarantine_tables import Body, QuarantineRow
from statscache.store.revisions import check_form

#: How much of an error `list` shows, in characters.
SHORT = 100
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def quarantine() -> None:
    """List, retry or drop messages that plugins could not count.

    The daemon retries each message a few times. `show` prints a message and its errors.

    A MSG_ID may be as it came over the bus or canonical: a UUID is known with or without the year before it.
    """


def chosen(command: F) -> F:
    """Add the parameters that choose messages to a command."""
    plugin = click.option(
        "--plugin",
        "plugins",
        metavar="IDENT",
        multiple=True,
        help="Only messages quarantined for this plugin. Can be repeated.",
    )
    return plugin(click.argument("msg_ids", metavar="[MSG_ID]...", nargs=-1)(command))


everything = click.option("--all", "everything", is_flag=True, help="All messages of all plugins.")


@quarantine.command("list")
@chosen
@json_option
def list_(plugins: tuple[str, ...], msg_ids: tuple[str, ...], as_json: bool) -> None:
    """List the messages in the quarantine, oldest first."""
    with one_line(), _connection() as connection:
        rows = store.find(connection, plugins, _forms(msg_ids))
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    if not rows:
        click.echo(f"no {'such ' if plugins or msg_ids else ''}message is in the quarantine")
        return
    titles = ("plugin", "msg_id", "topic", "tried", "last (UTC)", "next (UTC)", "error")
    listing = Listing(titles, [*map(_row, rows)], prose="error", right=("tried",), group=("plugin",))
    show_listing(console(), listing)


def _row(row: QuarantineRow) -> list[str | Text]:
    error = styled("".join(row.error.splitlines()[:1])[:SHORT], "red")
    following = cell(row.next_attempt) if row.next_attempt else styled("by hand", "yellow")
    return [
        row.plugin,
        cell(row.msg_id),
        cell(row.topic),
        str(row.attempts),
        cell(row.last_failure),
        following,
        error,
    ]


@quarantine.command()
@click.argument("msg_id")
@click.option("--plugin", "plugins", metavar="IDENT", multiple=True, help="Only for this plugin.")
@json_option
def show(msg_id: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Show a message and why plugins could not count it."""
    with one_line(), _connection() as connection:
        rows = _found(connection, plugins, (msg_id,))
        body = connection.scalar(select(Body.body).where(Body.msg_id == rows[0].msg_id))
    if as_json:
        print_json({"failures": [_as_json(row) for row in rows], "message": json.loads(body or "null")})
        return
    for row in rows:
        click.echo(f"plugin         {row.plugin}")
        click.echo(f"topic          {cell(row.topic)}")
        click.echo(f"attempts       {row.attempts}")
        click.echo(f"first failure  {cell(row.first_failure)} UTC")
        click.echo(f"last failure   {cell(row.last_failure)} UTC")
        click.echo(f"next attempt   {f'{cell(row.next_attempt)} UTC' if row.next_attempt else 'by hand'}")
        click.echo(f"error          {cell(row.error)}\n")
        click.echo("".join(f"{cell(line)}\n" for line in row.traceback.splitlines()))
    click.echo(body)


@quarantine.command()
@chosen
@everything
@json_option
def retry(plugins: tuple[str, ...], msg_ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Try messages again now.

    This ignores when they are due, and ends the suspension of their plugins.
    """
    _check_chosen(plugins, msg_ids, everything)
    with one_line():
        with _connection() as connection:
            found = [(row.plugin, row.msg_id) for row in _found(connection, plugins, msg_ids)]
        app = open_app(fedmsg_config())
        app.watchdog().start()
        counted = 0
        for plugin in dict.fromkeys(plugin for plugin, _ in found):
            if plugin in app.writer.plugins:
                ids = {canonical_id(msg_id): None for other, msg_id in found if other == plugin}
                counted += app.retry(plugin, list(ids))  # which the start of the app has made canonical
            else:
                complain(f"the plugin {plugin} does not run here: its messages stay")
    if as_json:
        print_json({"tried": len(found), "counted": counted})
    else:
        click.echo(f"{counted} of {number_of(len(found), 'message')} counted")


@quarantine.command()
@chosen
@everything
@json_option
def drop(plugins: tuple[str, ...], msg_ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Delete messages, so that their plugins never count them.

    Other plugins keep what they have counted.
    """
    _check_chosen(plugins, msg_ids, everything)
    with one_line(), _connection() as connection:
        rows = [(row.plugin, row.msg_id) for row in _found(connection, plugins, msg_ids)]
        connection.rollback()
        check_form(connection.engine)
        with counting(connection.engine) as counted:
            for plugin in dict.fromkeys(plugin for plugin, _ in rows):
                ids = [msg_id for other, msg_id in rows if other == plugin]
                store.drop(counted, store.rows_of(plugin, ids))
            tell_of_coverage(counted, {plugin for plugin, _ in rows})
    if as_json:
        print_json({"dropped": len(rows)})
    else:
        click.echo(f"{number_of(len(rows), 'message')} dropped")


def _as_json(row: QuarantineRow) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in QuarantineRow.__table__.columns}


def _forms(msg_ids: Sequence[str]) -> Sequence[str]:
    """Return ids as they are given, as those of an earlier version are stored until a daemon starts, and canonical."""
    return [*msg_ids, *map(canonical_id, msg_ids)]


def _check_chosen(plugins: Sequence[str], msg_ids: Sequence[str], everything: bool) -> None:
    if bool(plugins or msg_ids) == everything:
        raise click.UsageError("choose messages by MSG_ID or --plugin, or all of them by --all")


def _connection() -> Connection:
    return open_database(read_settings(fedmsg_config())).connect()


def _found(connection: Connection, plugins: Sequence[str], msg_ids: Sequence[str]) -> Sequence[QuarantineRow]:
    """Return the messages that are meant.

    :raises StatscacheError: if there are none
    """
    rows = store.find(connection, plugins, _forms(msg_ids))
    if not rows:
        raise StatscacheError(
            "there is no such message in the quarantine: `statscache quarantine list` lists all"
        )
    return rows
