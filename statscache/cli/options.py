"""Options that several commands have."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

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


def parse_since(value: str, now: datetime, zone: tzinfo = UTC) -> datetime:
    """Return the instant meant by ``2h``, ``7d`` and the like, back from now, or by a text that `read_instant` reads.

    :param zone: that of a text which names none
    :raises ValueError: if it is neither
    :raises OverflowError: if it lies before the year 1
    """
    span = re.fullmatch(r"(\d{1,6})([smhdw])", value)
    if span:
        return now - timedelta(**{UNITS[span[2]]: int(span[1])})
    if zone is not UTC and (local := _without_zone(value)) is not None:
        return local.replace(tzinfo=zone).astimezone(UTC)
    return read_instant(value, dates_first=True)


def _without_zone(text: str) -> datetime | None:
    """Return what an ISO 8601 text names, None if it names a zone, too, or is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo is None else None


def instant_of(when: str | None, option: str, zone: tzinfo = UTC) -> datetime | None:
    """Return the instant that an option names, None if it is not given.

    :raises OneLine: if it names none
    """
    try:
        return None if when is None else parse_since(when, datetime.now(UTC), zone)
    except (ValueError, OverflowError):
        raise OneLine(f"{option} must be like 2h, 7d or 2024-05-31T12:00, not {when!r}") from None


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone that --tz names, UTC if it is not given.

    :raises OneLine: if there is no such zone
    """
    try:
        return UTC if name in (None, "UTC") else ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise OneLine(
            f"--tz must be a time zone of this machine, such as Europe/Berlin, not {name!r}"
        ) from None


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
    named = instant_of(when, option)
    assert named is not None
    return int(named.timestamp())
