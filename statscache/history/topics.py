"""Which topics plugins want of an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from statscache.hosting.dispatch import topics_of, wants
from statscache.plugins import BasePlugin


@dataclass(frozen=True)
class Topics:
    """What some plugins want, by the expressions that they declare, which are never translated into a query.

    :param patterns: a topic is wanted if any of these finds itself in it
    """

    patterns: frozenset[re.Pattern[str]]

    def among(self, topics: Iterable[str]) -> list[str]:
        """Return those of some topics that are wanted: of just these messages are handed to the plugins."""
        return [topic for topic in topics if any(wants(pattern, topic) for pattern in self.patterns)]


def declared(plugins: Mapping[str, BasePlugin]) -> dict[str, Topics]:
    """Return what each plugin wants that does not want all.

    :param plugins: by ident
    """
    found = {ident: topics_of(plugin) for ident, plugin in plugins.items()}
    return {ident: Topics(frozenset([pattern])) for ident, pattern in found.items() if pattern is not None}


def all_of(wanted: Iterable[Topics]) -> Topics:
    """Return what is wanted by any."""
    return Topics(frozenset[re.Pattern[str]]().union(*(topics.patterns for topics in wanted)))
