"""Who and what made-up messages are about."""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate
from typing import Any

FIRST = "amber birch cedar delta ember flint grove hazel iris juniper kite larch maple north ocean pine"
LAST = "arrow brook crane dune elk finch gull heron ibis jay kestrel lark marten newt otter plover"
BOTS = ("releng-bot", "packagerbot", "upstream-bot")
USERS = (*BOTS, *(f"{first}{last}" for last in LAST.split() for first in FIRST.split()))
STEMS = "perl python3 rubygem golang rust nodejs php ghc lib texlive mingw"
PACKAGES = tuple(
    f"{stem}-{first}-{last}"
    for first in FIRST.split()[:10]
    for last in LAST.split()[:10]
    for stem in STEMS.split()
)
PROJECTS = tuple(f"{first}-{last}" for last in LAST.split()[:12] for first in FIRST.split())


def _long_tail(names: tuple[str, ...]) -> tuple[tuple[str, ...], list[float]]:
    """Return the names with cumulative shares that fall with their rank, as words' do."""
    return names, list(accumulate(1 / rank for rank in range(3, len(names) + 3)))


class Cast:
    """Who and what messages are about, drawn from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._begun: dict[str, list[Any]] = {}
        self._shares = {name: _long_tail(names) for name, names in LISTS.items()}

    def draw(self, name: str) -> str:
        """Return a user, package or project; some are far more common than others."""
        names, shares = self._shares[name]
        return names[bisect(shares, self.chance.random() * shares[-1])]

    @property
    def user(self) -> str:
        return self.draw("user")

    @property
    def package(self) -> str:
        return self.draw("package")

    def number(self) -> int:
        """Return an identifier such as tasks and issues have."""
        return self.chance.randrange(1000, 9_999_999)

    def one_of(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def begin(self, kind: str, thing: Any) -> Any:
        """Return something that begins, and will end one day."""
        self._begun.setdefault(kind, []).append(thing)
        return thing

    def end(self, kind: str, most: int) -> Any:
        """Return something of a kind that has begun and ends now, None if another begins first.

        :param most: so many at most have begun and not ended
        """
        begun = self._begun.get(kind, [])
        if self.chance.random() * most >= len(begun):
            return None
        return begun.pop(self.chance.randrange(len(begun)))


LISTS = {"user": USERS, "package": PACKAGES, "project": PROJECTS}
