"""When a request goes wrong, and how."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from tests.system.datagrepper.query import Query


class Fault(StrEnum):
    """What a client gets instead of its page."""

    BAD_GATEWAY = "502"
    ERROR = "500"
    #: The page, but late.
    SLOW = "slow"
    #: Nothing, and the connection stays open.
    SILENT = "silent"
    #: Less than the Content-Length says; then the connection is closed.
    SHORT = "short"
    #: A part of the page, of which the Content-Length is right.
    CUT = "cut"
    #: 429, with Retry-After in seconds.
    THROTTLED = "429"
    #: 429, with Retry-After as a date.
    THROTTLED_DATE = "429-date"
    RESET = "reset"


@dataclass
class Rule:
    """A fault of the pages that match: of all, unless a page or the bounds of its span in epoch seconds are given.

    :param around: an instant that the span contains, in epoch seconds
    :param times: how often, unless until it is lifted
    """

    fault: Fault
    page: int | None = None
    start: float | None = None
    end: float | None = None
    around: float | None = None
    times: int | None = None

    def matches(self, query: Query) -> bool:
        """Return whether it holds for a page."""
        pairs = ((self.page, query.page), (self.start, query.start), (self.end, query.end))
        around = self.around is None or query.contains(self.around)
        return self.times != 0 and around and all(wanted in (None, found) for wanted, found in pairs)


class Faults:
    """Decides what goes wrong. What does by chance depends on the page and on how often it was asked for, not on the
    order of requests. Threads may share it.

    :param rates: how often each fault comes by chance: a share of all requests
    :param delay: how late in seconds a slow answer is
    :param retry_after: the seconds that a client is told to wait
    """

    def __init__(
        self,
        seed: int = 0,
        rates: Mapping[Fault, float] | None = None,
        delay: float = 1.0,
        retry_after: int = 1,
    ) -> None:
        self.delay, self.retry_after = delay, retry_after
        self._seed, self._rates = seed, dict(rates or {})
        self._rules: dict[int, Rule] = {}
        self._numbers = count(1)
        self._attempts: Counter[Query] = Counter()
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> int:
        """Let pages fail, and return a number for lifting it; of several rules the first one holds."""
        with self._lock:
            number = next(self._numbers)
            self._rules[number] = rule
            return number

    def lift(self, number: int | None = None) -> None:
        """Take back a rule, or all rules and all that comes by chance."""
        with self._lock:
            if number is None:
                self._rules, self._rates = {}, {}
            else:
                self._rules.pop(number, None)

    def draw(self, query: Query) -> Fault | None:
        """Return what goes wrong with a request for a page, if anything."""
        with self._lock:
            self._attempts[query] += 1
            for rule in self._rules.values():
                if rule.matches(query):
                    rule.times = rule.times and rule.times - 1
                    return rule.fault
            return self._chance(query) if self._rates else None

    def _chance(self, query: Query) -> Fault | None:
        chance = random.Random(f"{self._seed} {query} {self._attempts[query]}")
        healthy = 1 - sum(self._rates.values())
        return chance.choices([None, *self._rates], [healthy, *self._rates.values()])[0]
