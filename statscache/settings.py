"""The settings, read from the fedmsg configuration and checked once."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from statscache.errors import Unusable

log = logging.getLogger(__name__)

URI = "statscache.sqlalchemy.uri"
URI_VARIABLE = "STATSCACHE_SQLALCHEMY_URI"
EMBEDDED = "embedded:"
PREFIX = "statscache."


@dataclass(frozen=True)
class Setting:
    """One key of the configuration.

    :param read: turns what the configuration holds into what the program uses; raises ValueError with what
        was expected
    """

    key: str
    kind: str
    unit: str
    default: Any
    meaning: str
    read: Callable[[Any], Any]


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86400:
        raise ValueError("a number of seconds above 0 and up to 86400, or such a timedelta")
    return float(value)


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


def _uri(value: Any) -> str:
    expected = "a URL such as postgresql://user@host/statscache, or embedded:DIRECTORY"
    if not isinstance(value, str) or value in ("", EMBEDDED):
        raise ValueError(expected)
    if value.startswith(EMBEDDED):
        return value
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(expected) from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg2"):
        raise ValueError(f"{expected} (statscache keeps its tables in PostgreSQL only)")
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting(
            "statscache.consumer.enabled", "bool", "", False, "whether the hub runs statscache at all", _flag
        ),
        Setting(
            URI,
            "text",
            "",
            None,
            f"the database: a PostgreSQL URL, or embedded:DIRECTORY; {URI_VARIABLE} in the environment overrides it",
            _uri,
        ),
        Setting(
            "statscache.producer.frequency",
            "number or timedelta",
            "s",
            1.0,
            "how often what was counted is written to the database",
            _seconds,
        ),
        Setting(
            "statscache.plugins.enabled",
            "list of text",
            "",
            (),
            "entry point names of plugins to run that are off by default",
            _names,
        ),
        Setting(
            "statscache.plugins.disabled",
            "list of text",
            "",
            (),
            "entry point names of plugins not to run",
            _names,
        ),
        Setting(
            "statscache.database.wait",
            "number or timedelta",
            "s",
            30.0,
            "how long a start waits for a database that is out of reach",
            _seconds,
        ),
    )
}


def fedmsg_config() -> dict[str, Any]:
    """Return the fedmsg configuration of this machine and directory, fedmsg's defaults where there is none.

    :raises Unusable: if a file of it cannot be read
    """
    from fedmsg import config as fedmsg  # only here: the hub hands its configuration over itself

    try:
        return dict(fedmsg.load_config([], None))
    except ValueError:  # no endpoints, which only a hub needs
        return {**fedmsg.defaults, **fedmsg.load_config([], None, disable_defaults=True)}
    except Exception as error:  # noqa: BLE001  the files are programs, which can fail in any way
        raise Unusable(
            f"the fedmsg configuration cannot be read ({error!r}): correct the file in fedmsg.d"
        ) from None


@dataclass(frozen=True)
class Settings:
    """The settings as the program uses them; times are in seconds."""

    uri: str
    frequency: float
    enabled: frozenset[str]
    disabled: frozenset[str]
    database_wait: float

    @property
    def embedded(self) -> str | None:
        """The directory of the embedded database, None if the database is another one."""
        return self.uri.removeprefix(EMBEDDED) if self.uri.startswith(EMBEDDED) else None


def read_settings(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from a fedmsg configuration.

    :raises Unusable: for the first setting whose value cannot be used
    """
    _warn_of_unknown(config)
    if environ.get(URI_VARIABLE):
        config = {**config, URI: environ[URI_VARIABLE]}
    if config.get(URI) is None:
        raise Unusable(
            f"{URI} is not set: set it in fedmsg.d, or {URI_VARIABLE} in the environment, "
            "to a URL such as postgresql://user@host/statscache, or to embedded:DIRECTORY"
        )
    return Settings(
        uri=_read(config, URI),
        frequency=_read(config, "statscache.producer.frequency"),
        enabled=_read(config, "statscache.plugins.enabled"),
        disabled=_read(config, "statscache.plugins.disabled"),
        database_wait=_read(config, "statscache.database.wait"),
    )


def _read(config: Mapping[str, Any], key: str) -> Any:
    setting = SETTINGS[key]
    value = config.get(key, setting.default)
    try:
        return setting.read(value)
    except ValueError as error:
        shown = "the present value" if key == URI else repr(value)  # a URL may hold a password
        raise Unusable(f"{key} must be {error}, not {shown}: correct it in fedmsg.d") from None


def _warn_of_unknown(config: Mapping[str, Any]) -> None:
    """A misspelt setting has no effect, which nobody would notice."""
    for key in config:
        if isinstance(key, str) and key.startswith(PREFIX) and key not in SETTINGS:
            close = difflib.get_close_matches(key, SETTINGS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            log.warning("the setting %s is not one of statscache's and has no effect on it%s", key, hint)
