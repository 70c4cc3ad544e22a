"""The statscache command."""

from __future__ import annotations

from importlib import import_module

import click

from statscache.cli.terminal import OneLineGroup
from statscache.process.log_lines import write_log_lines

#: The commands. Each is in a module of its name, with _ for -, and has that name there.
COMMANDS = (
    "amqp-topology",
    "backfill",
    "config",
    "consume",
    "demo",
    "export",
    "forget",
    "grant",
    "note",
    "plugins",
    "prune",
    "publish",
    "quarantine",
    "replay",
    "serve",
    "show",
    "status",
    "top",
    "upgrade",
    "uri",
    "verify",
)


class Commands(OneLineGroup):
    """Imports a command's module when it is asked for, so that none waits for what others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"statscache.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="statscache")
@click.option("-v", "--verbose", is_flag=True, help="Write log lines to standard error.")
def main(verbose: bool) -> None:
    """Statistics of a message bus, kept in PostgreSQL tables.

    The daemon runs inside fedmsg-hub, or as statscache consume. All other commands inspect it and its tables. They read
    the daemon's settings from /etc/fedmsg.d, ~/.fedmsg.d and ./fedmsg.d. STATSCACHE_SQLALCHEMY_URI in the environment
    names another database.
    """
    write_log_lines(verbose)
