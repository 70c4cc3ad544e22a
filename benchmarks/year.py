"""A made-up year of traffic: 5,000 people, 400 projects and 25 categories, all heavy-tailed, and builds.

It comes slice by slice, the newest first, as history does.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from benchmarks.messages import CATEGORIES as OTHERS
from statscache.span import Span

#: The year is 2023, in seconds since 1970.
START, DAYS, DAY = 1_672_531_200, 365, 86_400
STOP = START + DAYS * DAY
#: A slice is as long as the first of these in which there are so many messages, or as the last.
LENGTHS, ENOUGH = (DAY // 4, DAY, 5 * DAY), 5_000
PAGURE = "pagure"
PEOPLE = [f"user{number:04}" for number in range(5000)]
PROJECTS = [f"project{number:03}" for number in range(400)]
CATEGORIES = (*OTHERS, PAGURE, "pdc", "resultsdb", "taiga")
#: Accounts that are bots by default, and how much of what is done they do.
BOTS, BOT_SHARE = ("packit", "releng", "zuul"), 0.1
#: So much of all is of builds; of the rest so much has an agent, and so much of that names somebody else, too.
BUILD_SHARE, AGENT_SHARE, NAMING_SHARE = 1 / 15, 0.174, 0.1
#: So much of what a person does is in a category of their own.
OWN_SHARE = 0.6
#: So many people are there all year; others come on any day and stay for so many days in the mean.
ALL_YEAR, STAY = 0.4, 90.0
#: How builds end, and how often; their seconds are log-normal, with this mean and deviation of the logarithm.
OUTCOMES, OUTCOME_WEIGHTS, SECONDS = (1, 3, 4), (0.8, 0.17, 0.03), (6.5, 1.2)
BUILD = "org.fedoraproject.prod.buildsys.build.state.change"
#: The longest tail there is, and one whose greatest are not that great.
STEEP, FLAT = 1.0, 20.0

Body = dict[str, Any]


class Person(NamedTuple):
    """Somebody who is there from one day of the year to before another."""

    name: str
    weight: float
    own: str
    first: float
    last: float


class Crowd(NamedTuple):
    """Who is there on a day."""

    people: Sequence[Person]
    weights: Sequence[float]

    def some(self, chance: random.Random, count: int) -> list[Person]:
        """Return so many, each drawn by its weight."""
        return chance.choices(self.people, cum_weights=self.weights, k=count)


@dataclass(frozen=True)
class Year:
    """The traffic of a year, the same whenever it is made.

    :param messages: how many there are, nearly
    """

    messages: int

    @property
    def length(self) -> int:
        """The length of a slice in seconds."""
        enough = (each for each in LENGTHS if self.messages * each >= ENOUGH * (STOP - START))
        return next(enough, LENGTHS[-1])

    def start_of(self, second: int) -> int:
        """Return the start of the slice in which a second lies."""
        return second - (second - START) % self.length

    def slices(self) -> Iterator[tuple[Span, list[Body]]]:
        """Yield the messages of each slice, in order; the newest slice first."""
        each = self.messages * self.length // (STOP - START)
        builds = round(each * BUILD_SHARE / 2)
        begun: dict[int, list[Body]] = defaultdict(list)
        for start in range(STOP - self.length, START - 1, -self.length):
            span = Span(start, start + self.length)
            chance = random.Random(f"{self.messages} {start}")
            for body in _builds(chance, span, builds):
                begun[self.start_of(int(body["timestamp"]))].append(body)
            bodies = begun.pop(start, []) + _others(chance, span, each - 2 * builds)
            yield span, sorted(bodies, key=lambda body: float(body["timestamp"]))


def _others(chance: random.Random, span: Span, count: int) -> list[Body]:
    """Return so many messages that are not of builds, some of which somebody is the agent of."""
    by_agent = round(count * AGENT_SHARE)
    crowd = _crowd((span.start - START) // DAY)
    people, named = crowd.some(chance, by_agent), iter(crowd.some(chance, by_agent))
    made = [_deed(chance, person, next(named)) for person in people]
    made += [_event(category) for category in _categories(chance, count - by_agent)]
    for body in made:
        body["msg_id"], body["timestamp"] = _id(chance), _instant(chance, span)
    return made


def _deed(chance: random.Random, person: Person, named: Person) -> Body:
    """Return what a person has done, or a bot instead."""
    agent = chance.choice(BOTS) if chance.random() < BOT_SHARE else person.name
    category = person.own if chance.random() < OWN_SHARE else _categories(chance, 1)[0]
    msg: Body = {"agent": agent}
    if chance.random() < NAMING_SHARE:
        msg["assignee"] = named.name
    if category == PAGURE:
        (name,) = chance.choices(PROJECTS, cum_weights=_tail(len(PROJECTS)))
        return {"topic": "io.pagure.prod.pagure.issue.new", "msg": {**msg, "project": {"name": name}}}
    return {"topic": f"org.fedoraproject.prod.{category}.change", "msg": msg}


def _event(category: str) -> Body:
    """Return what nobody has done."""
    return {"topic": f"org.fedoraproject.prod.{category}.event", "msg": {}}


def _builds(chance: random.Random, span: Span, count: int) -> Iterator[Body]:
    """Yield the ends of so many builds in a span, and their begins, as far as they are in the year."""
    first = (span.start - START) // span.seconds * count
    for build in range(first, first + count):
        stop = _instant(chance, span)
        begin = stop - min(chance.lognormvariate(*SECONDS), 3 * DAY)
        (outcome,) = chance.choices(OUTCOMES, OUTCOME_WEIGHTS)
        for when, old, new in ((begin, None, 0), (stop, 0, outcome)):
            if when >= START:
                msg = {"attribute": "state", "build_id": build, "old": old, "new": new}
                yield {"topic": BUILD, "msg": msg, "msg_id": _id(chance), "timestamp": when}


def _id(chance: random.Random) -> str:
    return f"{chance.getrandbits(96):024x}"


def _instant(chance: random.Random, span: Span) -> float:
    return span.start + chance.random() * span.seconds


def _categories(chance: random.Random, count: int) -> list[str]:
    return chance.choices(CATEGORIES, cum_weights=_tail(len(CATEGORIES)), k=count)


@cache
def _tail(count: int) -> list[float]:
    """Return the weights of so many things by rank, each added to those before."""
    return list(accumulate(1 / (rank + 1) for rank in range(count)))


@cache
def _people() -> list[Person]:
    chance = random.Random("people")
    found = []
    for rank, name in enumerate(PEOPLE):
        all_year = chance.random() < ALL_YEAR
        first = 0.0 if all_year else chance.uniform(-STAY, DAYS)
        last = DAYS if all_year else first + chance.expovariate(1 / STAY)
        weight = 1 / (rank + FLAT) ** STEEP
        found.append(Person(name, weight, _categories(chance, 1)[0], first, last))
    return found


@cache
def _crowd(day: int) -> Crowd:
    """Return who is there on a day of the year."""
    here = [person for person in _people() if person.first < day + 1 and person.last > day]
    return Crowd(here, list(accumulate(person.weight for person in here)))


class AsMade:
    """Finds who is named in messages of the year: what it takes to find that in real ones is measured elsewhere."""

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The users that the message names."""
        return frozenset(message["msg"][key] for key in ("agent", "assignee") if key in message["msg"])

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The packages that the message names: none."""
        return frozenset()

    def agent(self, message: Mapping[str, Any]) -> str | None:
        """Who did what the message tells of."""
        agent: str | None = message["msg"].get("agent")
        return agent
