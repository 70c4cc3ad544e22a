"""What the commands share at the terminal: errors in one line, tables, texts as they are."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import click
from rich.console import Console
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from statscache.cli.listing import Listing
from statscache.database.trouble import NO_TABLE, first_line, state_of
from statscache.errors import StatscacheError
from statscache.instants import in_utc, write_instant
from statscache.messages.pseudonyms import readable
from statscache.render.exact_json import exact_json

#: Lets a command print what it would show as JSON.
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class OneLine(click.ClickException):
    """An error that is printed as one line."""


class OneLineGroup(click.Group):
    """Commands that print an error as one line, without the usage, and end with exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            return super().main(*args, **{"prog_name": "statscache", **extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help() if error.ctx else "")
        except click.ClickException as error:
            complain(" ".join(error.format_message().split()))
            sys.exit(2)
        except click.Abort:
            sys.exit(130)
        except OSError as error:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), 1
            )  # what could not be written is not tried again at the exit
            complain(f"the output cannot be written: {error.strerror}")
            sys.exit(2)


def complain(sentence: str) -> None:
    """Say in one line on standard error what is wrong, in red where that is a terminal."""
    click.echo(f"{click.style('statscache:', fg='red')} {sentence}", err=True)


def _hint(error: DBAPIError) -> str:
    missing = state_of(error) == NO_TABLE
    return " (no daemon has run on this database yet, or the plugin is off)" if missing else ""


@contextmanager
def one_line() -> Iterator[None]:
    """Print errors that a user can cause or repair as one line."""
    try:
        yield
    except StatscacheError as error:
        raise OneLine(str(error)) from None
    except DBAPIError as error:
        raise OneLine(f"the database says: {first_line(error)}{_hint(error)}") from None
    except UnicodeError:
        raise OneLine("PostgreSQL cannot hold that text: give it in UTF-8") from None
    except OSError as error:
        raise OneLine(str(error)) from None


def console() -> Console:
    """Return a console that shows all text as it is, and cuts no line where its output goes to a file."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without bars is no reason to fail
    width = None if sys.stdout.isatty() else 10_000
    return Console(highlight=False, markup=False, emoji=False, width=width)


def print_json(value: Any) -> None:
    """Print a value as JSON: instants in ISO 8601 and UTC, lengths of time in seconds, decimals in full."""
    click.echo(exact_json(value, _json_of, indent=2))


def print_csv(titles: Sequence[str], rows: Iterable[Sequence[Any]], zone: tzinfo = UTC) -> None:
    """Print rows as CSV with a line of titles: instants in ISO 8601 with their zone, JSON as it is."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_csv_of(value, zone) for value in row] for row in rows)
    click.echo(file.getvalue(), nl=False)


def _csv_of(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return written(value, zone)
    return exact_json(value, _json_of) if isinstance(value, dict | list) else value


def written(when: datetime, zone: tzinfo) -> str:
    """Return an instant in ISO 8601, in a zone."""
    return write_instant(when) if zone is UTC else in_utc(when).astimezone(zone).isoformat()


def _json_of(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def show_listing(terminal: Console, listing: Listing) -> None:
    """Print rows; what is longer than the terminal is left to it."""
    terminal.print(listing, crop=False)


def styled(value: Any, style: str) -> Text:
    """Return a value as it is shown in a table, in a style, empty for none."""
    return Text(cell(value), style)


def cell(value: Any, zone: tzinfo = UTC) -> str:
    """Return a value as it is shown in a table, without a character that would act on the terminal.

    :param zone: that of instants; those of another than UTC have their offset, since an hour can come twice
    """
    if isinstance(value, datetime):
        local = in_utc(value).astimezone(zone).replace(microsecond=0)
        return local.isoformat(" ") if zone is not UTC else local.strftime("%Y-%m-%d %H:%M:%S")
    text = "" if value is None else readable(str(value))
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def size_of(size: float) -> str:
    """Return a number of bytes in the unit in which it reads best."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit and size < 10 else f"{size:.0f} {UNITS[unit]}"
