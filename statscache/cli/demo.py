"""`statscache demo`: counts that grow."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from statscache.cli.terminal import console, one_line

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--directory", default=".demo", show_default=True, help="Where the demo keeps its database and log."
)
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0.1, 20_000), help="Messages a second."
)
@click.option("--seconds", type=click.FloatRange(1), help="Stop after this many seconds.")
@click.option("--seed", default=1, show_default=True, help="Seed of the made-up messages.")
def demo(directory: str, rate: float, seconds: float | None, seed: int) -> None:
    """Watch counts grow on made-up traffic.

    The demo runs its own hub on an embedded database. Ctrl-C ends it.
    """
    from statscache.demo.demo import Demo

    with one_line():
        Demo(Path(directory), rate, seed).run(seconds, console())
