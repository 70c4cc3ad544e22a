"""What is to be fetched, shared out among several processes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from statscache.history.plan import Piece, shares
from statscache.span import Span

DAY = 86_400


@st.composite
def found(draw: st.DrawFn) -> list[Piece]:
    """Return pieces, newest first."""
    ends = sorted(draw(st.sets(st.integers(0, 10**9), min_size=2, max_size=8)))
    spans = [Span(start, stop) for start, stop in pairwise(ends)][:: draw(st.sampled_from([1, 2]))]
    return [Piece(span, frozenset({str(number)})) for number, span in enumerate(spans)][::-1]


@given(found(), st.integers(1, 64))
def test_shares_are_what_they_were_cut_from(pieces: list[Piece], jobs: int) -> None:
    """All of each piece, for its plugins, newest first; and not many more parts than are wanted."""
    cut = shares(pieces, jobs)
    for piece in pieces:
        its = [part.span for part in cut if part.plugins == piece.plugins]
        assert (its[0].stop, its[-1].start) == (piece.span.stop, piece.span.start)
        assert all(newer.start == older.stop for newer, older in pairwise(its))
    assert [part.span for part in cut] == sorted((part.span for part in cut), reverse=True)
    assert len(cut) <= 4 * jobs + 2 * len(pieces)


def test_time_is_cut_where_long_windows_end() -> None:
    """Years at the ends of days, days at those of hours, hours at those of minutes."""
    for seconds, unit in ((365 * DAY, DAY), (2 * DAY, 3600), (5000, 60)):
        cut = shares([Piece(Span(1_700_000_001, 1_700_000_001 + seconds), frozenset({"a"}))], 2)
        assert 6 <= len(cut) <= 9
        assert all(part.span.start % unit == 0 for part in cut[:-1])
