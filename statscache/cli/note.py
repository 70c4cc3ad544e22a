"""The commands that look after the notes that people write."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from statscache.cli.listing import Listing
from statscache.cli.options import instant_of, zone_of
from statscache.cli.terminal import cell, console, json_option, one_line, print_json, show_listing, styled
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.errors import StatscacheError
from statscache.plugins import Note
from statscache.plugins.notes import KINDS, checked
from statscache.settings import read_settings
from statscache.store.notes import add_note, remove_note, written_notes
from statscache.store.revisions import open_to_write

COLOURS = {"release": "green", "outage": "red", "other": ""}

zone_option = click.option(
    "--tz", metavar="ZONE", help="Show and take instants in this time zone, such as Europe/Berlin."
)


@click.group()
def note() -> None:
    """Write, list or remove notes, such as releases and outages.

    Charts show them as lines beside the figures. Plugins take others from the bus: statscache show notes-from-the-bus.
    """


@note.command()
@click.argument("text")
@click.option("--at", metavar="WHEN", help="When it happened, or began; by default now.")
@click.option("--until", metavar="WHEN", help="When it ended. Without it, it is about an instant.")
@click.option(
    "--kind", type=click.Choice(KINDS), default="other", show_default=True, help="What it is about."
)
@click.option("--link", metavar="URL", help="A page about it, with http or https.")
@zone_option
@json_option
def add(
    text: str, at: str | None, until: str | None, kind: str, link: str | None, tz: str | None, as_json: bool
) -> None:
    """Add a note.

    TEXT says in one line what happened. WHEN is like 2h, 7d, 2024-05-31 or 2024-05-31T12:00, in UTC unless --tz or
    WHEN itself names a zone.
    """
    zone = zone_of(tz)
    start = instant_of(at, "--at", zone) or datetime.now(UTC)
    with one_line():
        added = checked(Note(start, instant_of(until, "--until", zone), kind, text, link))
        with _engine(to_write=True).begin() as connection:
            number = add_note(connection, added)
    if as_json:
        print_json(_as_json(number, added))
    else:
        click.echo(f"note {number} added: {cell(added.start, zone)} ({zone}) {cell(added.text)}")


@note.command("list")
@zone_option
@json_option
def list_(tz: str | None, as_json: bool) -> None:
    """List the notes that people have written, oldest first."""
    zone = zone_of(tz)
    with one_line(), _engine().connect() as connection:
        notes = written_notes(connection)
    if as_json:
        print_json([_as_json(number, its) for number, its in notes.items()])
        return
    if not notes:
        click.echo("nobody has written a note")
        return
    titles = ("id", f"start ({zone})", f"stop ({zone})", "kind", "text", "link")
    rows: list[list[str | Text]] = [
        [
            str(number),
            cell(its.start, zone),
            cell(its.stop, zone),
            styled(its.kind, COLOURS[its.kind]),
            cell(its.text),
            cell(its.link),
        ]
        for number, its in notes.items()
    ]
    show_listing(console(), Listing(titles, rows, prose="text", right=("id",), optional=("link",)))


@note.command()
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@json_option
def remove(number: int, as_json: bool) -> None:
    """Remove the note with this ID.

    `statscache note list` lists them.
    """
    with one_line(), _engine(to_write=True).begin() as connection:
        if not remove_note(connection, number):
            raise StatscacheError(f"there is no note {number}: `statscache note list` lists all")
    if as_json:
        print_json({"removed": number})
    else:
        click.echo(f"note {number} removed")


def _as_json(number: int, its: Note) -> dict[str, Any]:
    return {"id": number, **asdict(its)}


def _engine(to_write: bool = False) -> Any:
    settings = read_settings(fedmsg_config())
    return open_to_write(settings) if to_write else open_database(settings)
