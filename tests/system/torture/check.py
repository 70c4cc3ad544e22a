"""Compares what the tables hold with what they must."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, text

from statscache.errors import Rejected
from statscache.messages.message import Message
from statscache.messages.processors import Meta
from tests.support.reference import Body, Cells, Place, Reference, differences, usable
from tests.support.tables import tables_in
from tests.system.torture.messages import POISON, POISONED

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

LEDGER = "SELECT msg_id, plugins FROM statscache_ledger JOIN statscache_plugin_set ON id = plugin_set"
#: The tables of the 0.0.4 plugins, whose windows are labelled by their end.
LEGACY = {"legacy_volume_1m": 60, "legacy_volume_1d": 86400}
PICKY = "legacy_picky"
#: How many ids or cells of what differs are shown.
SHOWN = 5


class Tables:
    """What is in the database, read once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Tables:
        self._connection = self._engine.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _rows(self, query: str) -> list[Any]:
        return list(self._connection.execute(text(query)))

    @cached_property
    def place_of(self) -> dict[str, Place]:
        """Where each plugin counts."""
        rows = self._rows("SELECT ident, tables FROM statscache_plugin")
        return {ident: "/".join([tables[0], *ident.split("/")[1:]]) for ident, tables in rows}

    @cached_property
    def ledger(self) -> dict[str, frozenset[Place]]:
        """For each message, where it is counted or set aside."""
        sets: dict[tuple[str, ...], frozenset[Place]] = {}
        for _, plugins in (rows := self._rows(LEDGER)):
            key = tuple(plugins)
            sets.setdefault(key, frozenset(self.place_of[plugin] for plugin in key))
        return {id: sets[tuple(plugins)] for id, plugins in rows}

    @cached_property
    def quarantine(self) -> set[tuple[Place, str]]:
        """What is set aside."""
        rows = self._rows("SELECT plugin, msg_id FROM statscache_quarantine")
        return {(self.place_of[plugin], id) for plugin, id in rows}

    @cached_property
    def put_off(self) -> int:
        """How many messages are set aside that their plugin has not been asked about."""
        return int(self._rows("SELECT count(*) FROM statscache_quarantine WHERE attempts = 0")[0][0])

    @cached_property
    def bodies_left(self) -> int:
        """How many bodies are kept for no reason."""
        needed = "SELECT msg_id FROM statscache_quarantine"
        query = f"SELECT count(*) FROM statscache_quarantine_body WHERE msg_id NOT IN ({needed})"
        return int(self._rows(query)[0][0])

    @cached_property
    def gap(self) -> int:
        """How many messages are known to be lost."""
        return int(self._rows("SELECT coalesce(sum(messages), 0) FROM statscache_gap")[0][0])

    def cells(self, legacy: bool) -> Cells:
        """Return what the plugins' tables hold."""
        cells = tables_in(self._engine)
        for table in LEGACY if legacy else ():
            rows = self._rows(f"SELECT extract(epoch FROM timestamp), volume FROM {table}")
            cells[table] = {int(start): volume for start, volume in rows}
        if legacy:
            cells[PICKY] = {"sum": self._rows(f"SELECT coalesce(sum(volume), 0) FROM {PICKY}")[0][0]}
        return cells


class Inspector:
    """Looks at a stage, and keeps what is wrong with it and how many cells were compared."""

    def __init__(self, stage: Stage, bodies: list[Body], legacy: bool) -> None:
        self._stage = stage
        self._legacy = legacy
        self._sent = {ident(body): body for body in reversed(bodies) if usable(body)}
        meta, users, packages = Meta({}), {}, {}
        for body in self._sent.values():
            message = Message(body)
            users[id(body)], packages[id(body)] = meta.usernames(message), meta.packages(message)
        self._reference = Reference(
            lambda body: users[id(body)], lambda body: packages[id(body)], refuses=poisoned
        )
        self.differences: list[str] = []
        self.cells = 0

    def after_faults(self) -> None:
        """Compare with what the ledger says was counted, and that with what was accepted."""
        with Tables(self._stage.admin) as tables:
            self._expect("accepted and not in the ledger", self._stage.accepted - tables.ledger.keys())
            self._expect("in the ledger and never sent", tables.ledger.keys() - self._sent.keys())
            known = {id: self._sent[id] for id in tables.ledger if id in self._sent}
            self._compare(tables, known)
            self._compare_gap(tables)
        self._expect("spools left behind", self._stage.spools)

    def after_replay(self) -> None:
        """Compare with all that was sent."""
        with Tables(self._stage.admin) as tables:
            self._expect("sent and not in the ledger", self._sent.keys() - tables.ledger.keys())
            self._compare(tables, self._sent)
            self._expect("in the quarantine without a reason", self._undue(tables))
            self._expect("not in the quarantine that should be", self._broken(tables) - tables.quarantine)
            everywhere = frozenset(tables.place_of.values())
            missing = [id for id in self._sent if tables.ledger.get(id, everywhere) != everywhere]
            self._expect("counted by some plugins only", missing)
            self._expect("bodies kept for nothing", range(tables.bodies_left))
        self._expect("spools left behind", self._stage.spools)

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
        self.cells += sum(map(len, expected.values()))
        for table, number in differences(found, expected).items():
            self.differences.append(
                f"{number} cells of {table} differ: {some(found[table], expected[table])}"
            )

    def _compare_gap(self, tables: Tables) -> None:
        """A kill between the loss and its line in the suite's own log is nobody's fault."""
        kills = self._stage.faults.total()
        if not self._stage.lost <= tables.gap <= self._stage.lost + (kills if self._stage.lost else 0):
            self.differences.append(f"{self._stage.lost} messages lost and {tables.gap} in statscache_gap")

    def _expect(self, what: str, nothing: Any) -> None:
        if nothing:
            self.differences.append(f"{len(nothing)} {what}: {list(nothing)[:SHOWN]}")


def ident(body: Body) -> str:
    """Return the id that the ledger knows a message by; what has none gets one that nobody asks for."""
    try:
        return Message(body).id
    except Rejected:
        return ""


def poisoned(place: Place, key: str) -> bool:
    """Return whether the suite's constraint refuses the key."""
    return place == POISONED and POISON in key


def legacy_tables(messages: Mapping[str, Body], counts: Callable[[Place, str], bool]) -> Cells:
    """Return what the tables of the 0.0.4 plugins must hold."""
    cells: Cells = {}
    for table, length in LEGACY.items():
        whens = (body["timestamp"] for id, body in messages.items() if counts(table, id))
        cells[table] = dict(Counter((math.floor(when) // length + 1) * length for when in whens))
    cells[PICKY] = {"sum": sum(counts(PICKY, id) and body["i"] % 7 != 0 for id, body in messages.items())}
    return cells


def some(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> str:
    """Return what some of the cells that differ are, and should be."""
    wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    return ", ".join(f"{key!r} is {found.get(key)!r} not {expected.get(key)!r}" for key in wrong[:SHOWN])
