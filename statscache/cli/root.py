"""The statscache command."""

from __future__ import annotations

import logging

import click

from statscache.cli.amqp_topology import amqp_topology
from statscache.cli.backfill import backfill
from statscache.cli.config import config
from statscache.cli.consume import consume
from statscache.cli.demo import demo
from statscache.cli.export import export
from statscache.cli.grant import grant
from statscache.cli.note import note
from statscache.cli.plugins import plugins
from statscache.cli.publish import publish
from statscache.cli.quarantine import quarantine
from statscache.cli.replay import replay
from statscache.cli.serve import serve
from statscache.cli.show import show
from statscache.cli.status import status
from statscache.cli.terminal import OneLineGroup
from statscache.cli.top import top
from statscache.cli.uri import uri
from statscache.cli.verify import verify


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="statscache")
@click.option("-v", "--verbose", is_flag=True, help="Write log lines to standard error.")
def main(verbose: bool) -> None:
    """Statistics of a message bus, kept in PostgreSQL tables.

    The daemon runs inside fedmsg-hub, or as statscache consume. All other commands inspect it and its tables. They read
    the daemon's settings from /etc/fedmsg.d, ~/.fedmsg.d and ./fedmsg.d. STATSCACHE_SQLALCHEMY_URI in the environment
    names another database.
    """
    level = logging.INFO if verbose else logging.ERROR
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("statscache").setLevel(level)
    # So that nobody waits for a database without knowing it.
    logging.getLogger("statscache.database.refusals").setLevel(min(level, logging.WARNING))


COMMANDS = [
    amqp_topology,
    backfill,
    config,
    consume,
    demo,
    export,
    grant,
    note,
    plugins,
    publish,
    quarantine,
    replay,
    serve,
    show,
    status,
    top,
    uri,
    verify,
]
for command in COMMANDS:
    main.add_command(command)
