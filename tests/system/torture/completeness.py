"""Compares what the tables call complete with what was sent, whether it has arrived or not."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from tests.support.all_kinds import CONTRIBUTIONS
from tests.support.reference import LENGTHS, Body, Cells, Place, Reference
from tests.support.tables import TABLES
from tests.system.torture.publisher import Publisher
from tests.system.torture.tables import SHOWN, Tables

#: A message may be so many seconds old when it comes, as the daemons are told, and when it is sent, as the check takes
#: it: the time between is for its way. What is sent later counts, and nobody promises that it is there.
LATENESS, PUNCTUAL = 4.0, 2.0
SPANS = "extract(epoch FROM lower(span))::float8, extract(epoch FROM upper(span))::float8"
COMPLETE = f"SELECT table_name, {SPANS} FROM statscache_freshness, unnest(complete) AS span"
COVERED = f"SELECT plugin, {SPANS} FROM statscache_coverage, unnest(covered) AS span"
FILLED = "SELECT ident, tables[1] FROM statscache_plugin"
QUARANTINED = "SELECT plugin, msg_id FROM statscache_quarantine"
#: Each table with its functions that list all its windows.
SERIES = """
SELECT left(proname, -length('_series')), pg_get_function_result(oid) FROM pg_proc
WHERE proname LIKE 'data\\_%\\_series' AND pronargs = 2
"""
#: The table that is looked at while all goes on: it has a second of all that was sent in each row.
WATCHED = "data_volume_1s"
WATCH = f"""
SELECT extract(epoch FROM second)::bigint, coalesce(volume, 0)
FROM statscache_freshness, unnest(complete) AS span,
    generate_series(lower(span), upper(span) - interval '1 second', interval '1 second') AS second
    LEFT JOIN {WATCHED} ON timestamp = second
WHERE table_name = '{WATCHED}'
"""
#: The tables whose cells are how many messages there were in a window.
COUNTS = {table for table in (*TABLES, *CONTRIBUTIONS) if table.rpartition("_")[2] in LENGTHS}
#: How many seconds of the last are asked of these functions: longer than a scenario lasts.
LASTED = 600
Seconds = dict[str, set[int]]


class Completeness:
    """Looks for seconds that are called complete and are not.

    :param sent: all messages that count, by their ids
    :param publisher: has sent them, or is about to
    """

    def __init__(self, sent: Mapping[str, Body], publisher: Publisher, reference: Reference) -> None:
        self._sent = sent
        self._publisher = publisher
        self._reference = reference
        #: Of each table, the seconds that were called complete and were not.
        self.false: defaultdict[str, set[int]] = defaultdict(set)
        #: What was wrong about some of them.
        self.evidence: list[str] = []
        #: The seconds in which something was sent and that a table called complete.
        self.checked: set[int] = set()

    @property
    def false_seconds(self) -> set[int]:
        """The seconds that any table called complete and that were not."""
        return set().union(*self.false.values())

    def watch(self, engine: Engine) -> None:
        """Look at one table while all goes on; a database that is away or at work says nothing."""
        try:
            with engine.connect() as connection:
                connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
                rows = connection.execute(text(WATCH)).all()
        except DBAPIError:
            return
        most = Counter(map(_second, self._sent.copy().values()))
        least = Counter(_second(self._sent[id]) for id in self._punctual())
        for second, volume in rows:
            self._judge(WATCHED, second, volume, least[second], most[second])

    def compare(self, engine: Engine) -> None:
        """Compare all that is called complete: by the coverage, by the view, and by the functions of the tables."""
        punctual = self._punctual()
        with Tables(engine) as tables, engine.connect() as connection:
            complete = _seconds(connection, COMPLETE)
            self.checked |= set().union(*complete.values()) & set(map(_second, self._sent.values()))
            self._compare_ledger(connection, tables, punctual, complete)
            most = self._reference.tables(self._sent.items())
            self._compare_cells(tables.cells(legacy=False), complete, self._least(punctual, complete), most)
            self._compare_series(connection, self._least(punctual), most)

    def _punctual(self) -> list[str]:
        """Return the ids of what was sent so early that a second which is complete must have it."""
        ages = ((id, self._publisher.age(body)) for id, body in self._sent.copy().items())
        return [id for id, age in ages if age is not None and age <= PUNCTUAL]

    def _compare_ledger(
        self, connection: Connection, tables: Tables, punctual: Iterable[str], complete: Seconds
    ) -> None:
        """Look for messages that no plugin has counted, or that are set aside, in seconds that are called so."""
        covered = _seconds(connection, COVERED)
        table_of = dict(connection.execute(text(FILLED)).all())
        aside = set(connection.execute(text(QUARANTINED)).all())
        nowhere: frozenset[Place] = frozenset()
        for plugin, place in tables.place_of.items():
            table = table_of[plugin]
            missing = [id for id in punctual if place not in tables.ledger.get(id, nowhere)]
            for id in missing:
                if _second(self._sent[id]) in covered[plugin]:
                    self._find(table, _second(self._sent[id]), f"{plugin} has covered it without {id}")
            for id in (*missing, *(id for plugin_, id in aside if plugin_ == plugin)):
                if id in self._sent and _second(self._sent[id]) in complete[table]:
                    self._find(table, _second(self._sent[id]), f"is complete without {id}")

    def _least(self, punctual: Iterable[str], complete: Seconds | None = None) -> Cells:
        """Return what the cells must hold at least if a time is complete; without one, if all is."""

        def counts(place: Place, id: str) -> bool:
            return complete is None or _second(self._sent[id]) in complete.get(place, ())

        return self._reference.tables(((id, self._sent[id]) for id in punctual), counts)

    def _compare_cells(self, found: Cells, complete: Seconds, least: Cells, most: Cells) -> None:
        for table in found.keys() & least.keys() & COUNTS:
            length = LENGTHS[table.rpartition("_")[2]]
            for key, volume in least[table].items():
                self._judge(table, key, found[table].get(key, 0), volume, math.inf)
            for key, volume in found[table].items():
                if complete[table].issuperset(range(_start(key), _start(key) + length)):
                    self._judge(table, key, volume, 0, most[table].get(key, 0))

    def _compare_series(self, connection: Connection, least: Cells, most: Cells) -> None:
        stop = max(map(_second, self._sent.values())) + 1
        span = {"start": stop - LASTED, "stop": stop}
        for table, result in connection.execute(text(SERIES)).all():
            if table not in COUNTS:
                continue
            keyed = result.count(",") > 2
            call = f"SELECT * FROM {table}_series(to_timestamp(:start), to_timestamp(:stop))"
            for start, *rest in connection.execute(text(call), span):
                second = int(start.timestamp())
                key = (second, *rest[:-2]) if keyed else second
                if rest[-1]:
                    self._judge(table, key, rest[-2], least[table].get(key, 0), most[table].get(key, 0))

    def _judge(self, table: str, key: Any, volume: int, least: int, most: float) -> None:
        if not least <= volume <= most:
            bounds = f"{least}" if least == most else f"{least} to {most}"
            self._find(table, _start(key), f"is called complete and {key} is {volume}, not {bounds}")

    def _find(self, table: str, second: int, what: str) -> None:
        if second not in self.false[table] and len(self.evidence) < SHOWN:
            self.evidence.append(f"{second} of {table}: {what}")
        self.false[table].add(second)
        self.checked.add(second)


def _second(body: Body) -> int:
    return math.floor(body["timestamp"])


def _start(key: Any) -> int:
    return int(key[0] if isinstance(key, tuple) else key)


def _seconds(connection: Connection, query: str) -> defaultdict[str, set[int]]:
    """Return, for each name, the seconds that lie in its spans in full."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for name, start, stop in connection.execute(text(query)):
        found[name].update(range(math.ceil(start), math.floor(stop)))
    return found
