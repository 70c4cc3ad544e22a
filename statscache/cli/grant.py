"""`statscache grant`: who may read what was counted."""

from __future__ import annotations

import click

from statscache.cli.terminal import one_line
from statscache.configuration import fedmsg_config
from statscache.hosting.loader import load
from statscache.plugins import Base
from statscache.schema.grants import grant as give
from statscache.schema.grants import grants_for
from statscache.settings import read_settings
from statscache.store.revisions import open_to_write


@click.command()
@click.argument("role")
@click.option("--sql", is_flag=True, help="Print the SQL for an administrator to run, and change nothing.")
def grant(role: str, sql: bool) -> None:
    """Let a database role read the tables, now and later.

    ROLE is created if it does not exist, without a login of its own: make users members of it, as with
    CREATE USER grafana PASSWORD '…' IN ROLE analysts. The role can read the tables of all plugins, also those that are
    created later, and how complete they are. It can write nothing, and cannot read the quarantine, which holds whole
    messages. Running this again changes nothing.
    """
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        load(settings, config)  # which declares the plugins' tables
        engine = open_to_write(settings)
        with engine.connect() as connection:
            grants = grants_for(connection, role, [table.fullname for table in Base.metadata.sorted_tables])
        if sql:
            for statement in grants.statements():
                click.echo(f"{statement};")
            return
        for sentence in give(engine, grants):
            click.echo(f"statscache: {sentence}", err=True)
    click.echo(
        f"{role} can read {len(grants.tables)} tables and views, and the tables that plugins create later"
    )
