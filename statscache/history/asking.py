"""What is asked of an archive at once: who wants little is not made to wait for who wants all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from statscache.history.archives.archive import Archive
from statscache.history.plan import Piece
from statscache.history.topics import Topics, all_of
from statscache.span import Span

#: In seconds: of a shorter span all is asked for, as finding out what there is would take as long.
SHORT = 3600
#: Those who want little want at most so much of the messages together, which may be read once more for the others.
LITTLE = 0.1
#: Of more than that all is asked for.
MOST = 0.5


def asked(pieces: Sequence[Piece], wanted: Mapping[str, Topics], archive: Archive) -> list[Piece]:
    """Return the same pieces, each in up to two: first the plugins that want little, then all others.

    :param wanted: what each plugin wants, without those that want all
    :raises HistoryError: if the archive cannot be used
    """
    some = [piece for piece in pieces if _is_long(piece)]
    different = {wanted[plugin] for piece in some for plugin in piece.plugins & wanted.keys()}
    if not different:
        return list(pieces)
    whole = Span(min(piece.span.start for piece in some), max(piece.span.stop for piece in some))
    shares = dict(zip(different, archive.shares(whole, list(different)), strict=True))
    asking = _Asking(wanted, shares)
    return [part for piece in pieces for part in (asking.parts(piece) if _is_long(piece) else [piece])]


def _is_long(piece: Piece) -> bool:
    return piece.span.seconds >= SHORT


@dataclass
class _Asking:
    """How to divide pieces.

    :param shares: about what part of the messages of an archive have the topics
    """

    wanted: Mapping[str, Topics]
    shares: Mapping[Topics, float]

    def parts(self, piece: Piece) -> Iterator[Piece]:
        """Yield a piece in parts, the last of which is asked for all that the piece is asked for."""
        little = self._little({self.wanted[plugin] for plugin in piece.plugins & self.wanted.keys()})
        first = frozenset(plugin for plugin in piece.plugins if self.wanted.get(plugin) in little)
        if first and first != piece.plugins:
            yield Piece(piece.span, first, all_of(little), again=True)
        yield Piece(piece.span, piece.plugins - first or first, self._all(piece.plugins))

    def _little(self, different: Iterable[Topics]) -> set[Topics]:
        """Return as many as possible that together are little."""
        little: set[Topics] = set()
        for topics in sorted(different, key=lambda topics: self.shares[topics]):
            if self._share([*little, topics]) > LITTLE:
                break
            little.add(topics)
        return little

    def _all(self, plugins: frozenset[str]) -> Topics | None:
        """Return what is asked for on behalf of some plugins, None for all."""
        different = {self.wanted[plugin] for plugin in plugins if plugin in self.wanted}
        if not plugins <= self.wanted.keys() or self._share(different) > MOST:
            return None
        return all_of(different)

    def _share(self, different: Iterable[Topics]) -> float:
        return sum(self.shares[topics] for topics in different)
