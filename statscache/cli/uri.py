"""`statscache uri`: what to give to psql."""

from __future__ import annotations

import click
from sqlalchemy.engine import make_url

from statscache.cli.terminal import json_option, one_line, print_json
from statscache.configuration import fedmsg_config
from statscache.database import embedded
from statscache.database.engine import database_url
from statscache.errors import Unusable
from statscache.settings import Settings, read_settings


@click.command()
@click.option("--stop", is_flag=True, help="Let an embedded database stop once nothing else uses it.")
@json_option
def uri(stop: bool, as_json: bool) -> None:
    """Print the URL of the database, as psql takes it.

    Use it as in: psql "$(statscache uri)". This starts an embedded database unless it runs, and keeps
    it running until `statscache uri --stop`.
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
        raise Unusable("the database is not embedded: stop its server instead")
    embedded.release(settings.embedded)
