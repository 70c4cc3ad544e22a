"""What a setting may be, and how it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from statscache.instants import in_utc, read_instant
from statscache.setting.setting import SettingType

EMBEDDED = "embedded:"
DRIVER = "postgresql+psycopg2"
A_DIRECTORY = "the path of a directory, such as '/var/lib/statscache'"
A_FILE = "the path of a file, such as '/var/lib/statscache/forget.key'"
BYTE_UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
#: The path of a URL, without a / at its end.
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
LONGEST_BUDGET = 15.0


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86400:
        raise ValueError("a number of seconds above 0 and up to 86400, or a timedelta of that length")
    return float(value)


def _seconds_or_none(value: Any) -> float:
    """Read a time that may be 0, for none at all."""
    if isinstance(value, int | float | timedelta) and not isinstance(value, bool) and not value:
        return 0.0
    try:
        return _seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or 0 for none") from None


def _wait(value: Any) -> float | None:
    """Read a time that may be 0, for none at all, or None, for one that follows from other settings."""
    if value is None:
        return None
    try:
        return _seconds_or_none(value)
    except ValueError as error:
        raise ValueError(f"{error} at all, or None for the default") from None


def _budget(value: Any) -> float:
    """Read a time that is shorter than the database lets a transaction be idle."""
    try:
        seconds = _seconds(value)
    except ValueError:
        seconds = LONGEST_BUDGET + 1
    if seconds > LONGEST_BUDGET:
        raise ValueError(
            f"a number of seconds above 0 and up to {LONGEST_BUDGET:.0f}, or a timedelta of that length"
        )
    return seconds


def _days(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        value = value / timedelta(days=1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 36500:
        raise ValueError("a number of days above 0 and up to 36500, or a timedelta of that length")
    return timedelta(days=value)


def _instant(value: Any) -> datetime | None:
    """Read an instant: an aware datetime, ISO 8601 (UTC where it names no zone) or seconds since 1970."""
    expected = "an instant such as '2024-05-31', '2024-05-31T12:00:00+00:00' or seconds since 1970, or None"
    if value is None:
        return None
    if isinstance(value, datetime):
        return in_utc(value)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(expected)
        return read_instant(value, dates_first=True) if isinstance(value, str) else read_instant(repr(value))
    except (ValueError, OverflowError):
        raise ValueError(expected) from None


def _endpoint(value: Any) -> str:
    expected = (
        "the URL of a datagrepper, such as 'https://apps.fedoraproject.org/datagrepper', or '' for none"
    )
    if not isinstance(value, str) or (value and not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", value)):
        raise ValueError(expected)
    return value


def _address_or_none(value: Any) -> str:
    """Check such an address as `_address` reads, which is kept as it is; an empty text is for none."""
    try:
        if value != "":
            _address(value)
    except ValueError as error:
        raise ValueError(f"{error}, or '' for none") from None
    return str(value)


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"a whole number from 1 to {most}")
    return value


def _queues(value: Any) -> frozenset[str]:
    try:
        return _names(value)
    except ValueError:
        raise ValueError("a list of names of queues, such as ['statscache']") from None


def _path_or_none(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("the path of a file, or '' for none")
    return value


def _address(value: Any) -> tuple[str, int]:
    """Read where to listen: a host, or an IPv6 address in brackets, and a port; port 0 is any that is free."""
    match = (
        re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})", value)
        if isinstance(value, str)
        else None
    )
    if match is None or int(match[2]) > 65535:
        raise ValueError("a host and a port, such as '127.0.0.1:8080' or '[::1]:8080'")
    return match[1].strip("[]"), int(match[2])


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1_000_000:
        raise ValueError("a number above 0 and up to 1000000")
    return float(value)


def _prefix_path(value: Any) -> str:
    if not isinstance(value, str) or not PATH.fullmatch(value.removesuffix("/")):
        raise ValueError("a path such as '/statistics', or '' for none")
    return value.removesuffix("/")


def _proxies(value: Any) -> tuple[str, ...]:
    expected = "a list of addresses and networks, such as ['127.0.0.1', '10.0.0.0/8']"
    try:
        return tuple(str(ip_network(name)) for name in sorted(_names(value)))
    except ValueError:
        raise ValueError(expected) from None


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("a list of entry point names, such as ['volume_by_topic']")
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a list of entry point names, such as ['volume_by_topic']")
    return frozenset(names)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _bytes(value: Any) -> int:
    """Read a number of bytes, or a text of one with a unit: kB to TB are powers of 1000, KiB to TiB of 1024."""
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]+)", value)
        value = int(match[1]) * BYTE_UNITS.get(match[2], 0) if match else 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise ValueError("a whole number of bytes above 0, or a text such as '64 MiB', '4 GiB' or '500 kB'")
    return value


def _directory(value: Any, expected: str = A_DIRECTORY) -> Path:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(expected)
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{expected} (the user that it begins with does not exist)") from None


def _directory_or_home(value: Any, expected: str = A_DIRECTORY) -> Path:
    """Read the path of a directory, or of a file; ``~`` stays as it is where nobody knows the user's home directory."""
    homeless = os.path.expanduser("~") == "~"
    if homeless and isinstance(value, str) and re.fullmatch(r"~(/[^\0]*)?", value):
        return Path(value)
    return _directory(value, expected)


def _uri(value: Any) -> str:
    expected = "a URL such as postgresql://user@host/statscache, or embedded:DIRECTORY"
    try:
        if isinstance(value, str) and value.startswith(EMBEDDED):
            _directory(value.removeprefix(EMBEDDED))
            return value
        url = make_url(value) if isinstance(value, str) else None
    except (ArgumentError, ValueError):
        url = None
    if url is None:
        raise ValueError(expected)
    if url.drivername not in ("postgresql", "postgres", DRIVER):
        raise ValueError(f"{expected} (statscache keeps its tables in PostgreSQL only)")
    try:
        return url.set(drivername=DRIVER).render_as_string(hide_password=False)
    except UnicodeError:
        raise ValueError(f"{expected} (there is a character in it that is none)") from None


FLAG = SettingType("bool", "", _flag)
URL_TEXT = SettingType("text", "", _uri)
SECONDS = SettingType("number or timedelta", "s", _seconds)
SECONDS_OR_NONE = SettingType("number or timedelta", "s", _seconds_or_none)
WAIT = SettingType("number or timedelta", "s", _wait)
BUDGET = SettingType("number or timedelta", "s", _budget)
DAYS = SettingType("number or timedelta", "d", _days)
NAMES = SettingType("list of text", "", _names)
BYTES = SettingType("number or text", "B", _bytes)
DIRECTORY = SettingType("text", "", _directory_or_home)
FILE = SettingType("text", "", partial(_directory_or_home, expected=A_FILE))
INSTANT = SettingType("text, datetime or number", "", _instant)
ENDPOINT = SettingType("text", "", _endpoint)
ADDRESS_OR_NONE = SettingType("text", "", _address_or_none)
CONNECTIONS = SettingType("number", "", partial(_whole, most=32))
PREFETCH = SettingType("number", "", partial(_whole, most=65_535))
QUEUES = SettingType("list of text", "", _queues)
PATH_OR_NONE = SettingType("text", "", _path_or_none)
PREFIX_PATH = SettingType("text", "", _prefix_path)
PROXIES = SettingType("list of text", "", _proxies)
ADDRESS = SettingType("text", "", _address)
RATE = SettingType("number", "1/s", _rate)
