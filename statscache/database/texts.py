"""Which texts PostgreSQL can keep and index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from statscache.errors import Unstorable

#: The longest key in bytes of UTF-8. PostgreSQL refuses index rows over 2,704 bytes, a third of a page, which
#: must also hold the window and the row's header; longer texts would get in only where they compress well.
LONGEST_KEY = 2600
#: So many keys are remembered that can be held.
REMEMBERED = 16_384
_checked: set[str] = set()


def check_text(text: str) -> None:
    """Check that PostgreSQL can hold the text.

    :raises Unstorable: if there is a NUL or a lone surrogate in it
    """
    if "\0" in text:
        raise Unstorable(f"PostgreSQL texts cannot hold the NUL in {shortened(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unstorable(f"PostgreSQL texts cannot hold the lone surrogate in {shortened(text)}") from None


def check_key(key: Any) -> None:
    """Check that PostgreSQL can hold the key in a primary key.

    :raises Unstorable: if it is not a text that PostgreSQL can hold, of at most `LONGEST_KEY` bytes of UTF-8
    """
    check_keys((key,))


def check_keys(keys: Iterable[Any]) -> None:
    """Check each of some keys as `check_key` does.

    :raises Unstorable: if one cannot be held
    """
    for key in keys:
        try:
            if key not in _checked:
                _check_new(key)
        except TypeError:  # it cannot be hashed
            raise Unstorable(f"a key must be a text, not {shortened(key)}") from None


def _check_new(key: Any) -> None:
    """Check a key, and remember that it can be held."""
    if not isinstance(key, str):
        raise Unstorable(f"a key must be a text, not {shortened(key)}")
    if len(key) > LONGEST_KEY:
        raise Unstorable(f"a key may have at most {LONGEST_KEY} bytes, and {shortened(key)} has more")
    check_text(key)
    if len(key.encode()) > LONGEST_KEY:
        raise Unstorable(f"a key may have at most {LONGEST_KEY} bytes, and {shortened(key)} has more")
    if len(_checked) >= REMEMBERED:
        _checked.clear()
    _checked.add(key)


def shortened(value: Any) -> str:
    """Return the value's repr, cut to what fits into a line of log."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."
