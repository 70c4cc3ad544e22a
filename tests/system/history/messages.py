"""What is sent: made-up traffic, much of it in the same second, some without an id, some that plugins cannot digest."""

from __future__ import annotations

import random
from collections.abc import Iterator

from statscache.demo.traffic import traffic
from statscache.span import Span
from tests.support.reference import Body
from tests.system.torture.lives import Lives
from tests.system.torture.messages import vary

#: The share of what is about things that begin and end many times.
LIVES = 0.3


class Source:
    """Makes messages, no two of which are the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"history {seed}")
        self._lives = Lives(random.Random(f"lives {seed}"), LIVES)
        self._traffic = traffic(seed, 1_700_000_000.0, 1.0)

    def at(self, when: float) -> Body:
        """Return a message of that time, or one that has none."""
        body = self._lives.replace({**next(self._traffic), "timestamp": when}, past=0)
        return vary(self._chance, body, odd=True)

    def block(self, span: Span, count: int) -> list[Body]:
        """Return so many messages of a span, in any order."""
        return [self.at(when) for when, _ in zip(self._whens(span), range(count), strict=False)]

    def _whens(self, span: Span) -> Iterator[float]:
        """Yield times: of the first second and the last, then of any, up to 12 in one second or one instant."""
        seconds = [span.start, span.stop - 1]
        while True:
            second = seconds.pop() if seconds else self._chance.randrange(span.start, span.stop)
            instant = second + self._chance.random()
            for _ in range(self._chance.choice([1, 2, 3, 12])):
                yield self._chance.choice([instant, second + self._chance.random()])
