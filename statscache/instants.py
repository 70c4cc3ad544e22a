"""Instants in texts: reading them as seconds since 1970 or ISO 8601, and writing them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
#: Seconds since 1970: the first second of the year 1, the start of the year 10000, and the last second before it.
FIRST, END_OF_TIME = -62_135_596_800, 253_402_300_800
LAST = END_OF_TIME - 1
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: So many digits before the point are seconds since 1970 for sure: these have passed since 1973.
LONG = re.compile(r"[+-]?\d{9}", re.ASCII)
#: In the extended form, or the basic one, which has no - and no :.
ISO = re.compile(
    r"(\d{4})(-?)(\d\d)\2(\d\d)"
    r"(?:[Tt ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DAY = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_HOUR = r"([01][0-9]|2[0-3])"
_TIME = rf"{_HOUR}(:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{{1,9}})?)?)?"
_ZONE = rf"(Z|[+-]{_HOUR}(:?[0-5][0-9])?)?"
_BASIC = _DAY.replace("-(", "(")
#: What `read_instant` takes, for the API's description; UTC where no zone is named.
SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": FIRST, "maximum": LAST},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": rf"^[0-9]{{4}}(-{_DAY}|{_BASIC})[T ]{_TIME}{_ZONE}$"},
    ]
}


def read_instant(text: str, *, dates_first: bool = False) -> datetime:
    """Return the instant that a text names, in UTC, which is also assumed where it names no zone.

    :param dates_first: whether a person means it: then eight digits are a date, as in 20240531, and fewer are nothing,
        since ``2024`` and ``7`` are slips rather than seconds of 1970
    :raises ValueError: with what was expected
    :raises OverflowError: with `dates_first`, if it lies outside of the years 1 to 9999; else it is the nearest
    """
    if dates_first:
        when = _from_python(text) or _from_iso(text) or (_from_seconds(text) if LONG.match(text) else None)
    else:
        when = _from_seconds(text) or _from_iso(text)
    if when is not None:
        return when
    raise ValueError("seconds since 1970 or ISO 8601, as in 2024-05-31T12:00:00Z")


def in_utc(when: datetime) -> datetime:
    """Return an instant in UTC; what has no zone is in UTC already."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def write_instant(when: datetime) -> str:
    """Return an instant in ISO 8601 and UTC, as in 2024-05-31T12:00:00Z; what has no zone is in UTC already."""
    return in_utc(when).isoformat().replace("+00:00", "Z")


def write_second(second: int) -> str:
    """Return a second since 1970 in the same way, or the nearest that the years 1 to 9999 have."""
    return write_instant(datetime.fromtimestamp(max(FIRST, min(second, LAST)), UTC))


def _from_seconds(text: str) -> datetime | None:
    if not NUMBER.fullmatch(text):
        return None
    seconds = float(text)
    inside = math.isfinite(seconds) and FIRST <= seconds <= LAST
    return datetime.fromtimestamp(seconds, UTC) if inside else None


def _from_iso(text: str) -> datetime | None:
    try:
        match = ISO.fullmatch(text)
        if match is None:
            return None
        year, _, *others = match.groups()
        return _from_parts(year, *others)
    except ValueError:
        return None


def _from_python(text: str) -> datetime | None:
    """Read what Python takes for ISO 8601, weeks for example."""
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _from_parts(
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    zone: str | None,
) -> datetime:
    """Return an instant, or the nearest that there is in the years 1 to 9999; a leap second is the one after it."""
    leap = second == "60"
    micros = int(f"{fraction or '0':0<6.6}")
    when = datetime(
        max(int(year), 1),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        second=59 if leap else int(second or 0),
        microsecond=micros,
        tzinfo=_zone(zone),
    )
    try:
        return when.astimezone(UTC) + timedelta(seconds=leap)
    except OverflowError:
        return EARLIEST if int(year) <= 1 else LATEST


def _zone(text: str | None) -> timezone:
    if text in (None, "Z", "z"):
        return UTC
    assert text is not None
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("no such zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
