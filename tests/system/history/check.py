"""Compares what the tables hold, and say of themselves, with all that was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Engine, text

from statscache.messages.message import Message
from statscache.messages.naming import Meta
from statscache.span import Span
from tests.support.all_kinds import AllKinds, without_pruned
from tests.support.reference import RELENG, Body, Cells, Place, differences
from tests.support.tables import NO_REACH
from tests.system.history.launcher import GIVE_UP
from tests.system.torture.check import poisoned, some
from tests.system.torture.tables import SHOWN, Tables

#: What each table says that it lacks of a span.
HOLES = """
SELECT table_name, extract(epoch FROM lower(hole))::bigint, extract(epoch FROM upper(hole))::bigint
FROM statscache_freshness,
    unnest(tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop))) - complete) AS hole
"""
#: How many gaps it says to have, and how many it has by what is in the quarantine: up to where it is complete.
GAPS = f"""
SELECT table_name, open_gaps, (
    SELECT count(*) FROM (
        SELECT unnest(range_agg(tstzrange(second, second + interval '1 second'))) AS gap FROM (
            SELECT date_trunc('second', timestamp) AS second FROM statscache_quarantine
            WHERE plugin = ANY (plugins)
        ) AS seconds
    ) AS gaps WHERE upper(gap) < complete_through
)
FROM statscache_freshness WHERE {NO_REACH}
"""
QUARANTINED = """
SELECT unnest(tables), floor(extract(epoch FROM timestamp))::bigint
FROM statscache_quarantine JOIN statscache_plugin ON ident = plugin
"""
SAID = "SELECT table_name, quarantined FROM statscache_freshness"


class Inspector:
    """Looks at a database, and keeps what is wrong with it and how many cells were compared."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._meta = Meta({})
        self._names: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self.differences: list[str] = []
        self.cells = 0
        #: How many events are gone that nothing needs any more.
        self.pruned = 0

    def lacking(self, span: Span) -> list[str]:
        """Return which tables lack what of a span, but for what was tried and is in the quarantine."""
        holes, quarantined = self._holes(span), self._quarantined()
        found = [
            f"seconds of {table}"
            for table, its in holes.items()
            if its - incomplete(table, quarantined[table], span)
        ]
        rows = self._rows(GAPS)
        found += [f"{said} gaps in {table} instead of {gaps}" for table, said, gaps in rows if said != gaps]
        with Tables(self._engine) as tables:
            found += ["messages that were put off"] if tables.put_off else []
        return found if rows else ["all tables"]

    def compare(self, sent: Mapping[str, Body], span: Span | None, remembered: bool) -> None:
        """Compare all cells with what was sent.

        :param sent: all messages, by their ids
        :param span: what is to be complete; None if nothing is known of that
        :param remembered: whether the ledger must hold them all
        """
        reference = AllKinds(
            lambda body: self._named(body)[0],
            lambda body: self._named(body)[1],
            refuses=poisoned,
            give_up=GIVE_UP,
        )
        reference.tables(sent.items())
        broken = reference.broken
        expected = reference.tables(sent.items(), lambda place, id: (place, id) not in broken)
        with Tables(self._engine) as tables:
            found = tables.cells(legacy=False)
            self._compare_cells(found, without_pruned(expected, found, tables.pruned))
            self._expect("in the quarantine without a reason", tables.quarantine - broken)
            self._expect("not in the quarantine that should be", broken - tables.quarantine)
            self._expect("bodies kept for nothing", range(tables.bodies_left))
            self._compare_ledger(tables, sent if remembered else {}, sent.keys())
            self.pruned = sum(len(expected[table]) - len(found[table]) for table, _ in tables.pruned)
        if span is not None:
            self._compare_freshness(span, broken, sent)

    def _compare_cells(self, found: Cells, expected: Cells) -> None:
        found, expected = _cut(found), _cut(expected)
        self.cells += sum(map(len, expected.values()))
        for table, number in differences(found, expected).items():
            wrong = some(found[table], expected[table])
            self.differences.append(f"{number} cells of {table} differ: {wrong}")

    def _compare_ledger(self, tables: Tables, must: Mapping[str, Body], may: Any) -> None:
        everywhere = frozenset(tables.place_of.values())
        self._expect("sent and not in the ledger", must.keys() - tables.ledger.keys())
        self._expect("in the ledger and never sent", tables.ledger.keys() - may)
        missing = [id for id in must if tables.ledger.get(id, everywhere) != everywhere]
        self._expect("counted by some plugins only", missing)

    def _compare_freshness(
        self, span: Span, broken: set[tuple[Place, str]], sent: Mapping[str, Body]
    ) -> None:
        seconds: defaultdict[str, set[int]] = defaultdict(set)
        numbers: defaultdict[str, int] = defaultdict(int)
        for place, id in broken:
            seconds[place.split("/")[0]].add(int(sent[id]["timestamp"]))
            numbers[place.split("/")[0]] += 1
        holes = self._holes(span)
        for table, quarantined in self._rows(SAID):
            lacking = incomplete(table, seconds[table], span)
            self._expect(f"seconds that {table} lacks wrongly", holes[table] ^ lacking)
            if quarantined != numbers[table]:
                self.differences.append(f"{table} says {quarantined} quarantined, not {numbers[table]}")

    def _holes(self, span: Span) -> defaultdict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for table, start, stop in self._rows(HOLES, start=span.start, stop=span.stop):
            found[table].update(range(start, stop))
        return found

    def _quarantined(self) -> defaultdict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for table, second in self._rows(QUARANTINED):
            found[table].add(second)
        return found

    def _rows(self, query: str, **values: int) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def _named(self, body: Body) -> tuple[frozenset[str], frozenset[str]]:
        """Return the users and packages of a message, which is never given up, so that its address is its own."""
        if id(body) not in self._names:
            message = Message(body)
            self._names[id(body)] = self._meta.usernames(message), self._meta.packages(message)
        return self._names[id(body)]

    def _expect(self, what: str, nothing: Any) -> None:
        if nothing:
            self.differences.append(f"{len(nothing)} {what}: {list(nothing)[:SHOWN]}")


def incomplete(table: str, unknown: Iterable[int], span: Span) -> set[int]:
    """Return the seconds of a span that are not complete: those that are not known, and what depends on them.

    What was before the span is not known, either.
    """
    reach = GIVE_UP.get(table, 0)
    first = range(span.start, min(span.start + reach, span.stop))
    return {
        *first,
        *(later for second in unknown for later in range(second, min(second + reach + 1, span.stop))),
    }


def _cut(cells: Cells) -> Cells:
    """Return the cells with the times of latest states cut to seconds.

    The archive cuts them, and either copy of a message may be the first to come.
    """
    latest = {key: (int(when), message) for key, (when, message) in cells[RELENG].items()}
    return {**cells, RELENG: latest}
