"""`statscache serve`: the HTTP API."""

from __future__ import annotations

import click

from statscache.cli.terminal import OneLine, one_line
from statscache.configuration import fedmsg_config
from statscache.errors import Unusable
from statscache.setting_types import ADDRESS
from statscache.settings import read_settings


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="The address to listen at, instead of statscache.web.address; port 0 is any free one.",
)
def serve(listen: str | None) -> None:
    """Serve the tables over HTTP.

    It only reads the database, runs beside the daemon and stops at Ctrl-C. /api/ lists the plugins, and
    /api/openapi.json describes the API.
    """
    with one_line():
        try:
            from statscache.web import create_app, server
        except ModuleNotFoundError as error:
            raise Unusable(f"{error.name} is not installed: install statscache[web]") from None
        config = fedmsg_config()
        address = _address(listen) if listen is not None else read_settings(config).web_address
        app = create_app(config)
        with server.listen(address) as listening:
            server.serve(app, listening, click.echo)


def _address(text: str) -> tuple[str, int]:
    try:
        return ADDRESS.read(text)
    except ValueError as error:
        raise OneLine(f"--listen must be {error}, not {text!r}") from None
