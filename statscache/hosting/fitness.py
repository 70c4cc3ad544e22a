"""Whether a plugin can run at all: what is wrong with its class is told at the start, and not message by message."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import InvalidRequestError

from statscache.errors import text_of
from statscache.hosting.results import check_method
from statscache.plugins import BasePlugin, DurationPlugin, Queue, Umbrella

#: The longest ident, in bytes of UTF-8: it is a key of tables, a label of metrics and a part of addresses.
LONGEST_IDENT = 500
#: The greatest version, as the database keeps it.
LAST_VERSION = 2**31 - 1
#: What the daemon asks each plugin for. A property among them may raise, which is to be known at the start.
ASKED = ("interval", "backlog_delta", "rows", "queued", "enabled_by_default", "summary", "description")
TAKEN = re.compile(r"Table '(?P<table>[^']*)' is already defined")


def check(plugin: BasePlugin) -> None:
    """Check that the daemon can call a plugin, or each part of an umbrella.

    :raises TypeError: as `check_plugin` does, or if a part is none
    :raises ValueError: as `check_plugin` does, or if two parts have one ident
    :raises BaseException: whatever one of its properties raises
    """
    if not isinstance(plugin, Umbrella):
        check_plugin(plugin)
        return
    idents = set()
    for part in plugin.parts:
        if not isinstance(part, BasePlugin):
            raise TypeError(f"its part {part!r} is not an instance of statscache.plugins.BasePlugin")
        check_plugin(part)
        if part.ident in idents:
            raise ValueError(f"two of its parts have the ident {part.ident}: rename one")
        idents.add(part.ident)


def check_plugin(plugin: BasePlugin) -> None:
    """Check that the daemon can call a plugin.

    :raises TypeError: if a method is missing or can do nothing, or an attribute is of the wrong type
    :raises ValueError: if its ident cannot be one
    :raises BaseException: whatever one of its properties raises
    """
    _check_methods(plugin)
    _check_ident(plugin.ident)
    for name in ASKED:
        getattr(plugin, name)
    if not isinstance(plugin.reach, timedelta) or plugin.reach < timedelta(0) or plugin.reach.microseconds:
        raise TypeError(f"its reach is {plugin.reach!r}: it must be a timedelta of whole seconds, or of none")
    _check_version(plugin.version)
    _check_keep(plugin.keep)
    if not isinstance(plugin.partitioned, bool):
        raise TypeError(f"its partitioned is {plugin.partitioned!r:.80}: it must be True or False")
    if isinstance(plugin, DurationPlugin):
        plugin.episodes  # noqa: B018  which raises if its model is of another kind
    if plugin.queued and not isinstance(plugin.queue, Queue):
        raise TypeError(f"its queue is a {type(plugin.queue).__name__}: leave the attribute queue as it is")
    if isinstance(plugin.topics, re.Pattern) and not isinstance(plugin.topics.pattern, str):
        raise TypeError("its topics is a pattern of bytes: topics are texts, so leave out the b")


def _check_methods(plugin: BasePlugin) -> None:
    if _is_missing(plugin, "process"):
        raise TypeError("it has no process, so that it can count nothing: define process(self, message)")
    if plugin.model is not None and _is_missing(plugin, "update"):
        raise TypeError(
            "it has a model and no update, so that it can write nothing: define update(self, session)"
        )
    for name in ("process", "update"):
        method = getattr(plugin, name)
        if not callable(method):
            raise TypeError(f"its {name} is a {type(method).__name__}: define it as a method")
        check_method(method, name)


def _is_missing(plugin: BasePlugin, name: str) -> bool:
    """Return whether a method is that of `BasePlugin`, which only raises."""
    return getattr(getattr(plugin, name), "__func__", None) is getattr(BasePlugin, name)


def _check_ident(ident: Any) -> None:
    if not isinstance(ident, str) or not ident.isprintable() or not 0 < len(ident.encode()) <= LONGEST_IDENT:
        raise ValueError(
            f"its ident is {ident!r:.80}: it must be a text of 1 to {LONGEST_IDENT} printable characters"
        )


def _check_version(version: Any) -> None:
    if type(version) is not int or not 1 <= version <= LAST_VERSION:
        raise TypeError(
            f"its version is {version!r:.80}: it must be a whole number from 1 to {LAST_VERSION}, which is raised when "
            "what it counts changes"
        )


def _check_keep(keep: Any) -> None:
    if keep is not None and not (isinstance(keep, timedelta) and keep > timedelta(0)):
        raise TypeError(f"its keep is {keep!r:.80}: it must be a timedelta above 0, or None for ever")


def reason_of(error: BaseException) -> str:
    """Return why a plugin does not load, in words that its author can act on."""
    text = text_of(error)
    if isinstance(error, InvalidRequestError) and (taken := TAKEN.match(text)):
        return (
            f"two models have the table {taken['table']}, of which each must have one of its own: change "
            "__tablename__, or the first argument of counting_model or measuring_model, in one of them"
        )
    return f"{type(error).__name__}: {text}"
