"""What the tables of every kind must hold after some messages, worked out in plain Python.

Beside those of `reference` these are: who did how much, who was seen when, and how long things took, with the events
that this comes from. Of statscache it knows no more than `reference` does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import floor
from typing import Any

from tests.support.agents import agent, category_of
from tests.support.durations import Sent, expected
from tests.support.lengths import GIVE_UP, HOUR, said
from tests.support.reference import LENGTHS, LONG, Body, Cells, Place, Reference, unfit, usable, window

CONTRIBUTIONS, NEWCOMERS = tuple(f"data_contribution_{name}" for name in LONG), "data_newcomer"
#: The longest id of what begins and ends, in bytes.
LONGEST_THING = 1800
Counts = Callable[[Place, str], bool]
#: An id in the ledger, and a body.
Known = tuple[str, Body]


class AllKinds(Reference):
    """Works out the tables of every kind.

    :param give_up: of tables of durations, after how many seconds something is given up, where that is not as usual
    """

    def __init__(self, *of_reference: Any, give_up: Mapping[str, int] | None = None, **named: Any) -> None:
        super().__init__(*of_reference, **named)
        self._give_up = {**GIVE_UP, **(give_up or {})}

    def tables(self, messages: Iterable[Known], counts: Counts = lambda *_: True) -> Cells:
        """Return what all tables must hold, those of events included.

        Cells are of `CONTRIBUTIONS` how many, by start, agent and category; of `NEWCOMERS` the first and the last
        second, by agent and category; of durations how many and their sum, by start, keys and bucket; of the events
        their keys, by id, second, whether it ends, and the message's id.
        """
        usables = [(id, body) for id, body in messages if usable(body)]
        return {
            **super().tables(usables, counts),
            **people(usables, counts),
            **self._durations(usables, counts),
        }

    def _durations(self, messages: Iterable[Known], counts: Counts) -> Cells:
        sent: dict[str, list[Sent]] = {table: [] for table in self._give_up}
        events: Cells = {f"{table}_event": {} for table in self._give_up}
        for id, body in messages:
            for table, (what, thing, *keys) in said(body):
                if not fits(thing, keys):
                    self.broken.add((table, id))
                elif counts(table, id):
                    second, ends = floor(body["timestamp"]), what == "ended"
                    sent[table].append(Sent(second, id, ((what, thing, *keys),)))
                    its = tuple(keys) if ends else (*keys, None)
                    events[f"{table}_event"][written(thing), second, ends, id] = its
        return {**{table: self._lengths(table, its) for table, its in sent.items()}, **events}

    def _lengths(self, table: str, sent: Iterable[Sent]) -> dict[Any, Any]:
        rows = expected(sent, self._give_up[table], HOUR)
        return {(start, *keys, bucket): cell for (start, keys, bucket), cell in rows.items()}


def people(messages: Iterable[Known], counts: Counts) -> Cells:
    """Return who did how much where, and when each did something there for the first time and for the last."""
    volumes: dict[str, Counter[Any]] = {table: Counter() for table in CONTRIBUTIONS}
    seen: defaultdict[Any, list[int]] = defaultdict(list)
    for id, body in messages:
        deed = agent(body), category_of(body)
        for table, length in zip(CONTRIBUTIONS, map(LENGTHS.__getitem__, LONG), strict=True):
            if None not in deed and counts(table, id):
                volumes[table][window(body["timestamp"], length), *deed] += 1
        if None not in deed and counts(NEWCOMERS, id):
            seen[deed].append(floor(body["timestamp"]))
    times = {deed: (min(seconds), max(seconds)) for deed, seconds in seen.items()}
    return {**{table: dict(counter) for table, counter in volumes.items()}, NEWCOMERS: times}


def fits(thing: Any, keys: Iterable[str]) -> bool:
    """Return whether an event can be kept."""
    texts = [written(thing), *keys]
    return not any(map(unfit, texts)) and len(texts[0].encode()) <= LONGEST_THING


def written(thing: Any) -> str:
    """Return the id of a thing as tables have it."""
    return thing if isinstance(thing, str) else " ".join(map(str, thing))


def without_pruned(expected: Cells, found: Cells, pruned: Iterable[tuple[str, range]]) -> Cells:
    """Return what must be there where events of some seconds may be deleted."""
    left = dict(expected)
    for table, seconds in pruned:
        left[table] = {
            key: names for key, names in left[table].items() if key in found[table] or key[1] not in seconds
        }
    return left
