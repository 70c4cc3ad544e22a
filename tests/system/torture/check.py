"""Compares what the tables hold with what they must."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from statscache.errors import Rejected
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from tests.support.all_kinds import AllKinds, without_pruned
from tests.support.reference import Body, Cells, Place, differences, usable
from tests.system.torture.completeness import Completeness
from tests.system.torture.messages import POISON, POISONED
from tests.system.torture.naming import renamed
from tests.system.torture.tables import FRONT, LEGACY, PICKY, SHOWN, Tables

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage


class Inspector:
    """Looks at a stage, and keeps what is wrong with it and how many cells were compared."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._legacy = stage.scenario.legacy
        self._sent: dict[str, Body] = {}
        self._meta = Meta({})
        self._names: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self._reference = AllKinds(
            lambda body: self._names[id(body)][0], lambda body: self._names[id(body)][1], refuses=poisoned
        )
        self.completeness = Completeness(self._sent, stage.publisher, self._reference)
        self._differences: list[str] = []
        self.cells = 0
        #: How many seconds of tables were found not to be kept any more.
        self.dropped = 0

    def expect(self, bodies: Iterable[Body]) -> None:
        """Expect messages that will be sent, for the first time or again."""
        for body in bodies:
            if usable(body) and id(body) not in self._names:
                self._know(ident(body), body)

    def _know(self, id_: str, body: Body) -> None:
        message = Message(body)
        self._names[id(body)] = self._meta.usernames(message), self._meta.packages(message)
        self._sent.setdefault(id_, body)

    def rename(self) -> None:
        """Expect from now on what is written instead of the names of people who are forgotten."""
        if not (instead := self._stage.instead):
            return
        before = self._sent.copy()
        self._sent.clear()
        for id_, body in before.items():
            other = renamed(body, instead)
            self._stage.publisher.know_as(body, other)
            self._know(renamed(id_, instead), other)

    @property
    def differences(self) -> list[str]:
        """What is wrong, in words."""
        false, checked = self.completeness.false_seconds, self.completeness.checked
        said = [
            f"{len(false)} seconds of {len(checked)} are called complete and are not",
            *self.completeness.evidence,
        ]
        return [*self._differences, *(said if false else [])]

    def after_faults(self) -> None:
        """Compare with what the ledger says was counted, and that with what was accepted."""
        with Tables(self._stage.admin) as tables:
            missing = self._stage.accepted - tables.ledger.keys()
            if self._stage.scenario.damages:
                self._expect("accepted, lost and not in statscache_gap", missing if not tables.gap else ())
            else:
                self._expect("accepted and not in the ledger", missing)
            self._expect("sent, kept by a queue, and not in the ledger", self._kept - tables.ledger.keys())
            self._expect("in the ledger and never sent", tables.ledger.keys() - self._sent.keys())
            known = {id: self._sent[id] for id in tables.ledger if id in self._sent}
            self._compare(tables, known)
            if not (self._stage.scenario.forgets or self._stage.scenario.damages):
                self._compare_gap(tables)
        self._compare_spools()
        self.completeness.compare(self._stage.admin)
        self._look()

    def after_replay(self) -> None:
        """Compare with all that was sent."""
        self.after_rebuild()
        self._compare_spools()
        self.completeness.compare(self._stage.admin)

    def after_rebuild(self) -> None:
        """The same, whatever is called complete: that is years by now."""
        with Tables(self._stage.admin) as tables:
            self._expect("sent and not in the ledger", self._sent.keys() - tables.ledger.keys())
            self._compare(tables, self._sent)
            self._expect("in the quarantine without a reason", self._undue(tables))
            self._expect("not in the quarantine that should be", self._broken(tables) - tables.quarantine)
            everywhere = frozenset(tables.place_of.values())
            missing = [id for id in self._sent if tables.ledger.get(id, everywhere) != everywhere]
            self._expect("counted by some plugins only", missing)
            self._expect("bodies kept for nothing", range(tables.bodies_left))
        self._look()

    def _look(self) -> None:
        self._differences += self._stage.scenario.wrong(self._stage)

    @property
    def _kept(self) -> set[str]:
        """What must be counted though daemons were killed."""
        return {id for id, body in self._sent.items() if self._stage.bus.keeps(body)}

    def has_put_off(self) -> bool:
        """Return whether anything is in the quarantine that a plugin should be able to count."""
        with Tables(self._stage.admin) as tables:
            return bool(self._undue(tables))

    def _broken(self, tables: Tables) -> set[tuple[Place, str]]:
        picky = (
            {(PICKY, id) for id, body in self._sent.items() if body["i"] % 7 == 0} if self._legacy else set()
        )
        return self._reference.broken | picky

    def _undue(self, tables: Tables) -> set[tuple[Place, str]]:
        return tables.quarantine - self._broken(tables)

    def _compare(self, tables: Tables, messages: Mapping[str, Body]) -> None:
        """Compare all cells, the messages counted wherever the ledger says and the quarantine does not."""
        ledger, quarantine = tables.ledger, tables.quarantine

        def counts(place: Place, id: str) -> bool:
            return place in ledger[id] and (place, id) not in quarantine

        messages = {id: body for id, body in messages.items() if id in ledger}
        expected = self._reference.tables(messages.items(), counts)
        if self._legacy:
            expected |= legacy_tables(messages, counts)
        found = tables.cells(self._legacy)
        expected = without_pruned(expected, found, tables.pruned)
        expected = without_dropped(expected, tables.not_kept)
        self.dropped = sum(len(times) for _, times in tables.not_kept)
        self.cells += sum(map(len, expected.values()))
        for table, number in differences(found, expected).items():
            self._differences.append(
                f"{number} cells of {table} differ: {some(found[table], expected[table])}"
            )

    def _compare_gap(self, tables: Tables) -> None:
        """A kill between the loss and its line in the suite's own log is nobody's fault."""
        kills = self._stage.faults.total()
        if not self._stage.lost <= tables.gap <= self._stage.lost + (kills if self._stage.lost else 0):
            self._differences.append(f"{self._stage.lost} messages lost and {tables.gap} in statscache_gap")

    def _compare_spools(self) -> None:
        self._expect("spools left behind", () if self._stage.scenario.keeps_spools else self._stage.spools)

    def _expect(self, what: str, nothing: Any) -> None:
        if nothing:
            self._differences.append(f"{len(nothing)} {what}: {list(nothing)[:SHOWN]}")


def ident(body: Body) -> str:
    """Return the id that the ledger knows a message by; what has none gets one that nobody asks for."""
    try:
        return Message(body).id
    except Rejected:
        return ""


def poisoned(place: Place, key: str) -> bool:
    """Return whether the suite's constraint refuses the key."""
    return place == POISONED and POISON in key


def without_dropped(expected: Cells, not_kept: Iterable[tuple[str, range]]) -> Cells:
    """Return cells without those of windows that are not kept, of which tables must hold none."""
    left = dict(expected)
    for table, times in not_kept:
        cells = left.get(table, {}).items()
        left[table] = {
            key: its for key, its in cells if (key[0] if isinstance(key, tuple) else key) not in times
        }
    return left


def legacy_tables(messages: Mapping[str, Body], counts: Callable[[Place, str], bool]) -> Cells:
    """Return what the tables of the 0.0.4 plugins must hold."""
    cells: Cells = {}
    for table, length in LEGACY.items():
        whens = (body["timestamp"] for id, body in messages.items() if counts(table, id))
        cells[table] = dict(Counter((math.floor(when) // length + 1) * length for when in whens))
    cells[PICKY] = {"sum": sum(counts(PICKY, id) and body["i"] % 7 != 0 for id, body in messages.items())}
    numbers = [body["i"] for id, body in messages.items() if counts(FRONT, id)]
    odd = sum(number % 2 for number in numbers)
    cells[FRONT] = {"legacy front, even": len(numbers) - odd, "legacy front, odd": odd}
    return cells


def some(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> str:
    """Return what some of the cells that differ are, and should be."""
    wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    return ", ".join(f"{key!r} is {found.get(key)!r} not {expected.get(key)!r}" for key in wrong[:SHOWN])
