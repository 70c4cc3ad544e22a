"""Which names are explained where."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sphinx.environment import BuildEnvironment

#: What follows a command's name: its arguments.
BLANK = re.compile(r"\s+")


@dataclass(frozen=True)
class Place:
    """A place in the documentation.

    :param anchor: the id of the element in the page
    """

    page: str
    anchor: str


def names(env: BuildEnvironment) -> dict[str, Place]:
    """Return the place of each name that a page so far explains; to be changed in place."""
    found: dict[str, Place] = vars(env).setdefault("statscache_names", {})  # kept with it between builds
    return found


def note(env: BuildEnvironment, name: str, kind: str) -> str:
    """Note that the present page explains a name, and return the id for the element that does.

    :param kind: what it is, such as ``setting``; ids begin with it
    """
    anchor = f"{kind}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"
    names(env)[name] = Place(env.docname, anchor)
    return anchor


def find(env: BuildEnvironment, text: str) -> Place | None:
    """Return where a text is explained: that of a name, or of a command with arguments.

    :return: None if it is neither
    """
    known = names(env)
    if text in known or not text.startswith("statscache "):
        return known.get(text)
    words = BLANK.split(text)
    tried = (known.get(" ".join(words[:count])) for count in range(len(words), 1, -1))
    return next((place for place in tried if place), None)
