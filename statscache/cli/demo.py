"""`statscache demo`: counts that grow."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statscache.bus.interface import AMQP, FEDMSG
from statscache.cli.consume import needs_amqp
from statscache.cli.terminal import console, one_line

if TYPE_CHECKING:
    from statscache.demo.publisher import Publisher

log = logging.getLogger(__name__)

#: Where a demo is kept. Each bus has a database of its own: one with both would wait for both.
DIRECTORIES = {FEDMSG: ".demo", AMQP: ".demo-amqp"}


@click.command()
@click.option(
    "--bus",
    default=FEDMSG,
    show_default=True,
    type=click.Choice(list(DIRECTORIES)),
    help="What the messages come over. The broker of amqp is a RabbitMQ that the demo starts.",
)
@click.option(
    "--directory",
    show_default=" or ".join(DIRECTORIES.values()),
    help="Where the demo keeps its database and log.",
)
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0.1, 20_000), help="Messages a second."
)
@click.option("--seconds", type=click.FloatRange(1), help="Stop after this many seconds.")
@click.option("--seed", default=1, show_default=True, help="Seed of the made-up messages.")
def demo(bus: str, directory: str | None, rate: float, seconds: float | None, seed: int) -> None:
    """Watch counts grow on made-up traffic.

    The demo runs its own hub, or statscache consume on a RabbitMQ of its own, on an embedded database. Ctrl-C ends it.
    """
    from statscache.demo.demo import Demo

    with one_line():
        place = Path(directory or DIRECTORIES[bus]).resolve()
        Demo(place, _publisher(bus, place), rate, seed).run(seconds, console())


def _publisher(bus: str, directory: Path) -> Publisher:
    if bus == FEDMSG:
        from statscache.demo.fedmsg import FedmsgPublisher

        return FedmsgPublisher(directory)
    with needs_amqp():
        from statscache.demo.amqp import AmqpPublisher
    return AmqpPublisher(directory)
