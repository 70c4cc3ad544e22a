"""`statscache publish`: the page as files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from statscache.cli.terminal import one_line
from statscache.configuration import fedmsg_config
from statscache.errors import StatscacheError, Unusable, number_of
from statscache.hosting.loader import load
from statscache.query.tables import served
from statscache.settings import read_settings


@click.command()
@click.argument("directory")
def publish(directory: str) -> None:
    """Write the page as files for any web server.

    DIRECTORY gets the overview, each statistic with its ranges as a page, CSV, JSON and SVG, the badges and the latest
    states, in every language. What needs a server is left out. Files that are there already are replaced.
    """
    with one_line():
        try:
            from statscache.web.database import Database
            from statscache.web.errors import Refusal
            from statscache.web.page.still import StillSite
        except ModuleNotFoundError as error:
            raise Unusable(f"{error.name} is not installed: install statscache[web]") from None
        config = fedmsg_config()
        settings = read_settings(config)
        database = Database(settings)
        tables = served(load(settings, config))
        site = StillSite(tables, database, settings.datagrepper_endpoint, datetime.now(UTC))
        count = 0
        try:
            for file in site.files():
                write(Path(directory) / file.path, file.content)
                count += 1
        except Refusal as refusal:
            raise StatscacheError(str(refusal)) from None
        finally:
            database.close()
    click.echo(f"{number_of(count, 'file')} in {directory}: open {Path(directory) / 'index.html'}")


def write(path: Path, content: bytes) -> None:
    """Write a file, which is at no time there in part.

    :raises StatscacheError: if it cannot be written
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise StatscacheError(f"{path} cannot be written: {error.strerror}") from None
