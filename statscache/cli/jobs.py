"""What the commands share that work by several processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from statscache.cli.terminal import complain
from statscache.errors import HUNG
from statscache.history.jobs.pool import Hung, processors

jobs_option = click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    help="Count by N processes; by default as many as there are processors, but one where little is to be done.",
)


def jobs_for(wanted: int | None, work: int, worth: int) -> int:
    """Return by how many processes to do something.

    :param wanted: what --jobs says; None if it is not given
    :param work: how much there is to do
    :param worth: for how much of it another process is worth its start
    """
    return max(1, min(processors(), work // worth)) if wanted is None else wanted


@contextmanager
def ending_hung() -> Iterator[None]:
    """End as a command ends in which a plugin hangs, if it hung in one of several processes."""
    try:
        yield
    except Hung as reason:
        complain(str(reason))
        sys.exit(HUNG)
