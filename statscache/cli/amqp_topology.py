"""`statscache amqp-topology`: the queues by which several daemons share the messages of a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from sqlalchemy import Engine

from statscache.cli.consume import needs_amqp
from statscache.cli.terminal import cell, one_line
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.schema.tables import create_tables
from statscache.settings import read_settings
from statscache.store.buses import BusRow, ConsumerRow
from statscache.store.coverage import HeardRow
from statscache.store.queues import Member, begin, forget, join, members, retire
from statscache.store.revisions import open_to_write

if TYPE_CHECKING:  # they need the extra
    from statscache.bus.amqp.configuration import AmqpConfiguration
    from statscache.bus.amqp.topology import Broker, Topology

NOT_YET = "Nothing of that is made now: --apply makes it."


@click.command("amqp-topology")
@click.option(
    "--queues",
    "number",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="So many queues, each for one daemon; by default as many as there are, or 4.",
)
@click.option(
    "--name",
    metavar="NAME",
    default="statscache",
    show_default=True,
    help="Call the exchange NAME, and the queues NAME-1, NAME-2 and so on.",
)
@click.option("--apply", is_flag=True, help="Make it, and not only print what is to be made.")
@click.option(
    "--retire",
    "retired",
    metavar="QUEUE",
    multiple=True,
    help="Let this queue get nothing more; once it is heard in full, delete it. May be given several times.",
)
def amqp_topology(number: int | None, name: str, apply: bool, retired: tuple[str, ...]) -> None:
    """Share the messages of a broker among daemons.

    It prints what they need on a broker of one's own: an exchange that shares messages out by the hash of their ids,
    and quorum queues with a single active consumer. With --apply it makes that. What is there already stays.

    Where the broker is and what is to be counted it reads from the configuration of fedora-messaging. Which queues
    belong together it notes in the database.
    """
    with one_line(), needs_amqp():
        for line in _run(name, number, retired, apply):
            click.echo(line)


def _run(name: str, number: int | None, retired: Sequence[str], apply: bool) -> Iterator[str]:
    from statscache.bus.amqp.configuration import read_configuration
    from statscache.bus.amqp.parameters import name_of, parameters_of
    from statscache.bus.amqp.topology import check_known, plan

    settings = read_settings(fedmsg_config())
    configuration = read_configuration(settings.amqp_config)
    engine = open_to_write(settings) if apply else open_database(settings)
    known = _members(engine, name)
    check_known(name, list(known), retired)
    present = [queue for queue, member in known.items() if not member.retired]
    topology = plan(configuration, name, present, number, retired)
    done = list(_apply(engine, settings.lateness, configuration, topology)) if apply else [NOT_YET]
    yield f"On the broker {name_of(parameters_of(configuration))}, as {configuration.source} has it:"
    yield from (f"  {line}" for line in topology.lines())
    yield "In fedmsg.d of one daemon each:"
    yield from (f'  "statscache.amqp.queues": {json.dumps([queue])},' for queue in topology.queues)
    yield from done


def _apply(
    engine: Engine, lateness: float, configuration: AmqpConfiguration, topology: Topology
) -> Iterator[str]:
    """Make it, and yield what is to be said of that. A row of a queue begins before it and ends after it."""
    from statscache.bus.amqp.blocking import connected
    from statscache.bus.amqp.topology import Broker

    create_tables(engine, [row.__table__ for row in (BusRow, HeardRow, ConsumerRow)])  # type: ignore[misc]
    with connected(configuration) as connection:
        broker = Broker(connection, configuration)
        broker.lock(topology.name)
        join(engine, topology.name, topology.queues, lateness)
        broker.make(topology)
        begin(engine, topology.name)
        yield "All of that is there."
        for queue in topology.retired:
            broker.unbind(queue, topology.name)
            retire(engine, queue)
            yield _end(engine, broker, topology.name, queue)


def _end(engine: Engine, broker: Broker, name: str, queue: str) -> str:
    """Delete a queue that gets nothing more, if nothing is awaited from it, and return how far that is."""
    member = _members(engine, name)[queue]
    if not member.is_done:
        return f"{queue} is heard in full only once its daemon has heard it up to {cell(member.last)} UTC."
    if not broker.delete_idle(queue):
        return f"{queue} is heard in full: stop its daemon, then retire the queue once more to delete it."
    forget(engine, queue)
    return f"{queue} was heard in full, and is deleted."


def _members(engine: Engine, name: str) -> dict[str, Member]:
    with engine.connect() as connection:
        return members(connection, name)
