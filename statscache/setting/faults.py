"""What can be wrong with settings, in words that show no secret."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

#: A password in a URL.
PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")
PREFIX = "statscache."


def shown(value: Any) -> str:
    """Return a value on one line, cut where it is long, without the password of a URL."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    try:
        value = PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value
        return PASSWORD.sub(r"\1:***@", " ".join(short.repr(value).split()))
    except Exception:  # noqa: BLE001  the configuration is a program, whose objects can do anything
        return "the present value"


def unknown(config: Mapping[str, Any], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each key that looks like a setting of statscache and is none, and what to say of it."""
    names = {name.removeprefix(PREFIX): name for name in known}
    for key in config:
        if not isinstance(key, str) or key in known:
            continue
        if key.startswith(PREFIX):
            close = difflib.get_close_matches(key.removeprefix(PREFIX), names, n=1)
            hint = f"; did you mean {names[close[0]]}?" if close else ""
            yield key, f"{key} is not a setting of statscache and has no effect{hint}"
        elif near := _near(key, known):
            yield key, f"{key} has no effect; did you mean {near}?"


def _near(key: str, known: Collection[str]) -> str:
    """Return the setting that a key without our prefix was meant for, empty for none."""
    spelt = key.strip().lower().replace("_", ".")
    if PREFIX + spelt in known:
        return PREFIX + spelt
    close = difflib.get_close_matches(spelt, known, n=1, cutoff=0.85)
    return close[0] if close else ""
