"""Options that several commands have."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import click

from statscache.cli.terminal import OneLine
from statscache.instants import read_instant
from statscache.span import Span

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


since_option = click.option(
    "--since", metavar="WHEN", help="Start at this instant; by default at statscache.consumer.epoch."
)
until_option = click.option(
    "--until", metavar="WHEN", help="Stop before this instant; by default statscache.coverage.lateness ago."
)
from_option = click.option(
    "--from",
    "url",
    metavar="URL",
    help="The archive: a datagrepper (https://…) or the database of a datanommer (postgresql://…); "
    "by default statscache.datagrepper.endpoint.",
)


def parse_since(value: str, now: datetime) -> datetime:
    """Return the instant meant by ``2h``, ``7d`` and the like, back from now, or by a text that `read_instant` reads.

    :raises ValueError: if it is neither
    :raises OverflowError: if it lies before the year 1
    """
    span = re.fullmatch(r"(\d{1,6})([smhdw])", value)
    if span:
        return now - timedelta(**{UNITS[span[2]]: int(span[1])})
    return read_instant(value, dates_first=True)


def span_of(start: str, stop: str) -> Span:
    """Return the span that `--covers` names.

    :raises OneLine: if it is none, or not yet over
    """
    first, last = second_of(start, "--covers"), second_of(stop, "--covers")
    if first >= last:
        raise OneLine("--covers needs a FROM that is before its TO")
    if last > time.time():
        raise OneLine("--covers needs a TO in the past: no file has messages of the future")
    return Span(first, last)


def second_of(when: str, option: str) -> int:
    """Return the second, since 1970, that an option names.

    :raises OneLine: if it names none
    """
    try:
        return int(parse_since(when, datetime.now(UTC)).timestamp())
    except (ValueError, OverflowError):
        raise OneLine(f"{option} must be like 2h, 7d or 2024-05-31T12:00, not {when!r}") from None
