"""The settings, read from the fedmsg configuration and checked once."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from statscache.errors import Unusable
from statscache.setting.declared import URI, URI_VARIABLE, Settings
from statscache.setting.faults import shown, unknown
from statscache.setting.setting import Setting

__all__ = ["NO_DATABASE", "SETTINGS", "URI", "URI_VARIABLE", "Settings", "read_setting", "read_settings"]

log = logging.getLogger(__name__)

#: Stands for a database where none is needed.
NO_DATABASE = "postgresql:///"

_FIELDS: dict[str, Setting] = {f.name: f.metadata["setting"] for f in fields(Settings) if f.metadata}
SETTINGS = {setting.key: setting for setting in _FIELDS.values()}


def read_settings(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from a fedmsg configuration.

    :raises Unusable: for the first setting whose value cannot be used
    """
    _warn_of_unknown(config)
    uri, uri_name = _read_uri(config, environ)
    others = {name: read_setting(config, setting.key) for name, setting in _FIELDS.items() if name != "uri"}
    return Settings(uri=uri, uri_name=uri_name, **others)


def read_setting(config: Mapping[str, Any], key: str) -> Any:
    """Read one setting from a fedmsg configuration.

    :raises Unusable: if its value cannot be used
    """
    setting = SETTINGS[key]
    return _read(setting, config.get(key, setting.default), key, "fedmsg.d")


def _read_uri(config: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the URL of the database, and the name of the setting or variable that it was read from."""
    if environ.get(URI_VARIABLE):
        return _read(SETTINGS[URI], environ[URI_VARIABLE], URI_VARIABLE, "the environment"), URI_VARIABLE
    if config.get(URI) is None:
        raise Unusable(
            f"{URI} is not set: set it in fedmsg.d, or {URI_VARIABLE} in the environment, "
            "to a URL such as postgresql://user@host/statscache, or to embedded:DIRECTORY"
        )
    return read_setting(config, URI), URI


def _read(setting: Setting, value: Any, name: str, place: str) -> Any:
    try:
        return setting.read(value)
    except ValueError as error:
        given = "the present value" if setting.key == URI else shown(value)  # a URL may hold a password
        raise Unusable(f"{name} must be {error}, not {given}: correct it in {place}") from None


def _warn_of_unknown(config: Mapping[str, Any]) -> None:
    """A misspelt setting has no effect, which nobody would notice."""
    for _, sentence in unknown(config, SETTINGS):
        log.warning("%s", sentence)
