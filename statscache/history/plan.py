"""What is to be fetched from an archive: spans that the same plugins lack, newest first."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import Connection

from statscache.history.topics import Topics
from statscache.span import Span, window_start
from statscache.store.coverage import gaps, wanted

#: About so many parts of what is to be fetched each of several jobs gets: then all end at about the same time.
SHARES = 4
#: The lengths of windows, in seconds, at whose ends time is cut.
UNITS = (60, 3600, 86_400)


@dataclass(frozen=True)
class Piece:
    """A span, and the plugins that lack all of it.

    :param topics: what these want of it; None for all
    :param again: whether the span and all of these messages are asked for again, for other plugins
    """

    span: Span
    plugins: frozenset[str]
    topics: Topics | None = None
    again: bool = False


def pieces(lacking: Mapping[str, Collection[Span]]) -> list[Piece]:
    """Return spans in which no plugin's gap begins or ends, and which plugins lack them, newest first.

    :param lacking: the gaps of each plugin, which do not overlap
    """
    ends = sorted({end for its in lacking.values() for span in its for end in (span.start, span.stop)})
    found: list[Piece] = []
    for start, stop in pairwise(ends):
        span = Span(start, stop)
        plugins = frozenset(plugin for plugin, its in lacking.items() if any(start in gap for gap in its))
        if plugins:
            found.append(Piece(span, plugins))
    return found[::-1]


def shares(found: Iterable[Piece], jobs: int) -> list[Piece]:
    """Return pieces cut such that each of some jobs has several of them, in their order, the newest part first.

    They are cut where longer windows end, so that few windows are written twice.
    """
    found = list(found)
    wanted = sum(piece.span.seconds for piece in found) / (jobs * SHARES)
    unit = max((unit for unit in UNITS if unit <= wanted), default=UNITS[0])
    length = math.ceil(wanted / unit) * unit
    return [replace(piece, span=part) for piece in found for part in _cut(piece.span, length)]


def _cut(span: Span, length: int) -> list[Span]:
    """Return the parts of a span between multiples of a length, newest first."""
    ends = [span.start, *range(window_start(span.start, length, 0) + length, span.stop, length), span.stop]
    return [Span(start, stop) for start, stop in pairwise(ends)][::-1]


def to_fetch(
    connection: Connection, plugins: Collection[str], start: int | None, stop: int
) -> tuple[Span, list[Piece]]:
    """Return the time in question, and what of it plugins have not covered, newest first.

    :param start: its first second; None for that from which on each plugin wants history
    :param stop: the second after its last
    """
    starts = wanted(connection, plugins)
    span = Span(min([*starts.values(), stop - 1]) if start is None else start, stop)
    found = gaps(connection, plugins, span)
    return span, pieces(found if start is not None else since(found, starts))


def since(lacking: Mapping[str, Iterable[Span]], starts: Mapping[str, int]) -> dict[str, list[Span]]:
    """Return what each plugin lacks from a second of its own on.

    :param starts: that second, by plugin
    """
    return {
        plugin: [
            Span(max(span.start, starts[plugin]), span.stop) for span in its if span.stop > starts[plugin]
        ]
        for plugin, its in lacking.items()
    }
