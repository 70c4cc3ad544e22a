"""Who wants little of an archive is asked for first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest

from statscache.history.archives.archive import Hole, Slice
from statscache.history.asking import asked
from statscache.history.plan import Piece
from statscache.history.topics import Topics, all_of, declared
from statscache.plugins import BasePlugin
from statscache.span import Span
from tests.support.bench import MINUTE, Good, Other

LONG, SHORT = Span(0, 36_000), Span(36_000, 36_100)


def topics(*expressions: str) -> Topics:
    return Topics(frozenset(map(re.compile, expressions)))


#: What plugins want; those that are not here want all.
WANTED = {"tiny": topics("tiny"), "twin": topics("tiny"), "small": topics("small"), "large": topics("large")}
SHARES = {"tiny": 0.001, "small": 0.08, "large": 0.4}


class Shares:
    """An archive that only tells what part of it some topics have.

    :param shares: by their expression
    """

    def __init__(self, shares: dict[str, float]) -> None:
        self.asked = 0
        self._shares = shares

    def slices(self, span: Span, topics: Topics | None = None) -> Iterator[Slice | Hole]:
        raise AssertionError("nothing is read")

    def shares(self, span: Span, wanted: Sequence[Topics]) -> list[float]:
        self.asked += 1
        return [self._shares.get(pattern.pattern, 1.0) for each in wanted for pattern in each.patterns]

    def close(self) -> None:
        """Do nothing."""


def divided(
    *plugins: str, shares: dict[str, float] = SHARES, span: Span = LONG
) -> list[tuple[str, Topics | None, bool]]:
    """Return the plugins, the topics and whether they come again, of the parts of a piece."""
    parts = asked([Piece(span, frozenset(plugins))], WANTED, Shares(shares))
    assert all(part.span == span for part in parts)
    return [(" ".join(sorted(part.plugins)), part.topics, part.again) for part in parts]


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (["all"], [("all", None, False)]),
        (["tiny"], [("tiny", topics("tiny"), False)]),
        (["tiny", "twin"], [("tiny twin", topics("tiny"), False)]),
        (["large"], [("large", topics("large"), False)]),
        (["large", "all"], [("all large", None, False)]),
        (["tiny", "all"], [("tiny", topics("tiny"), True), ("all", None, False)]),
        (
            ["tiny", "twin", "small", "large", "all"],
            [("small tiny twin", topics("tiny", "small"), True), ("all large", None, False)],
        ),
        (
            ["tiny", "large"],
            [("tiny", topics("tiny"), True), ("large", topics("tiny", "large"), False)],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else "",
)
def test_a_piece_is_asked_for_by_how_much_is_wanted(
    plugins: list[str], expected: list[tuple[str, Topics | None, bool]]
) -> None:
    """Little first; then all that any plugin of the piece wants, for all others."""
    assert divided(*plugins) == expected


def test_more_than_little_in_all_waits() -> None:
    """What would be read once more stays little, however many plugins want a little."""
    parts = divided("tiny", "small", "all", shares={"tiny": 0.05, "small": 0.06})
    assert parts == [("tiny", topics("tiny"), True), ("all small", None, False)]


def test_of_most_messages_all_are_asked_for() -> None:
    """Topics that have more than half of the messages spare too little."""
    assert divided("small", "large", shares={"small": 0.2, "large": 0.4}) == [("large small", None, False)]


@pytest.mark.parametrize(
    ("plugins", "span", "times"), [(["all"], LONG, 0), (["tiny", "all"], SHORT, 0), (["tiny"], LONG, 1)]
)
def test_an_archive_is_asked_only_where_that_may_help(plugins: list[str], span: Span, times: int) -> None:
    """Neither for plugins that want all nor for a short time."""
    archive = Shares(SHARES)
    asked([Piece(span, frozenset(plugins))], WANTED, archive)
    assert archive.asked == times


def test_pieces_keep_their_order() -> None:
    """A short one is asked for as it is."""
    pieces = [Piece(SHORT, frozenset(["tiny", "all"])), Piece(LONG, frozenset(["tiny", "all"]))]
    parts = asked(pieces, WANTED, Shares(SHARES))
    assert parts[0] is pieces[0]
    assert [part.span for part in parts] == [SHORT, LONG, LONG]


class Some(Good):
    name = "some"
    topics = re.compile("^a")


class Any(Other):
    name = "any"
    topics = "a"  # type: ignore[assignment]  # as a plugin of 0.0.4 might have it


def test_what_is_wanted_is_what_plugins_declare() -> None:
    """An expression; what a plugin means by anything else cannot be known, so it gets all."""
    plugins: dict[str, BasePlugin] = {kind.name: kind(MINUTE, {}) for kind in (Good, Some, Any)}
    found = declared(plugins)
    assert found == {"some": topics("^a")}
    assert found["some"].among(["b", "a", "ba", "ab"]) == ["a", "ab"]
    assert all_of([topics("^a"), topics("^b")]).among(["b", "a", "c"]) == ["b", "a"]
