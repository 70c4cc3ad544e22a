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
@click.option("--seconds", type=click.FloatRange(1), help="End by itself after so many seconds.")
@click.option("--seed", default=1, show_default=True, help="Which of the possible streams of messages.")
def demo(directory: str, rate: float, seconds: float | None, seed: int) -> None:
    """Show counts grow, on made-up traffic.

    It runs a hub of its own on an embedded database. Ctrl-C ends it.
    """
    from statscache.demo.demo import Demo

    with one_line():
        Demo(Path(directory), rate, seed).run(seconds, console())
