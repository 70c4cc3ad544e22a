"""`statscache serve`: the HTTP API."""

from __future__ import annotations

import os

import click

from statscache.cli.terminal import OneLine, one_line
from statscache.configuration import fedmsg_config
from statscache.errors import Unusable
from statscache.setting.types import ADDRESS, PREFIX_PATH
from statscache.settings import read_settings

ROOT_PATH = "statscache.web.root_path"
#: By how much it is behind a daemon of the same machine in what the processor does next, as nice(1) counts that.
BEHIND = 10


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="The address to listen at, instead of statscache.web.address; port 0 is any free one.",
)
@click.option(
    "--root-path",
    metavar="PATH",
    help="The path under which a proxy shows the API, instead of statscache.web.root_path.",
)
@click.option(
    "--fd",
    metavar="NUMBER",
    type=click.IntRange(3),
    help="A socket that listens already, by its file descriptor, instead of an address.",
)
def serve(listen: str | None, root_path: str | None, fd: int | None) -> None:
    """Serve the page and the API over HTTP.

    It only reads the database, runs beside the daemon and stops at Ctrl-C. The page is at /; /api/ lists the plugins,
    and /api/openapi.json describes the API.
    """
    if fd is not None and listen is not None:
        raise OneLine("--fd and --listen cannot be combined: choose one")
    with one_line():
        try:
            from statscache.web import create_app, server
        except ModuleNotFoundError as error:
            raise Unusable(f"{error.name} is not installed: install statscache[web]") from None
        config = fedmsg_config()
        address = _address(listen) if listen is not None else read_settings(config).web_address
        app = create_app(config if root_path is None else {**config, ROOT_PATH: _prefix(root_path)})
        os.nice(BEHIND)
        with server.listen(address) if fd is None else server.inherited(fd) as listening:
            server.serve(app, listening, click.echo)


def _prefix(text: str) -> str:
    try:
        return PREFIX_PATH.read(text)
    except ValueError as error:
        raise OneLine(f"--root-path must be {error}, not {text!r}") from None


def _address(text: str) -> tuple[str, int]:
    try:
        return ADDRESS.read(text)
    except ValueError as error:
        raise OneLine(f"--listen must be {error}, not {text!r}") from None
