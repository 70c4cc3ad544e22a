"""Texts in messages, any of which may be missing or something else."""

from __future__ import annotations

from typing import Any

from statscache.plugins import Unstorable
from statscache.plugins.keys import check_text
from statscache.plugins.notes import is_link
from statscache_plugins.fields import at

#: So many characters of a text are taken.
LONGEST = 300


def text_of(value: Any, *path: str) -> str | None:
    """Return the text at a path of keys in one line, cut where it is long; None unless it is one to be shown."""
    text = at(value, *path)
    if not isinstance(text, str):
        return None
    try:
        check_text(text)
    except Unstorable:
        return None
    line = " ".join(text.split())
    return (line if len(line) <= LONGEST else f"{line[: LONGEST - 2]} …") or None


def link_of(value: Any, *path: str) -> str | None:
    """Return the link at a path of keys, None unless there is one that a note can have."""
    link = at(value, *path)
    return link if isinstance(link, str) and is_link(link) else None
