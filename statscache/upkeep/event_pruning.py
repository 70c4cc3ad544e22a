"""Prunes the events of durations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    and_,
    cast,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, TSTZRANGE

from statscache.counting.overlap import MARGIN_S
from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.plugins import DurationPlugin
from statscache.process.clocks import Clocks
from statscache.upkeep.ledger_pruning import is_steady, prune_for_a_while

#: So many events are deleted in one transaction.
PRUNED = 5_000
#: The times of which no event is needed. What is not covered or is in the quarantine is still to count, and changes
#: what comes of events that are as far from it as the plugins reach.
DONE = text("""
SELECT coalesce(range_agg(part), '{}')::text FROM (
    SELECT max(reach) AS reach, range_intersect_agg(coalesce(covered, '{}') - coalesce(seconds, '{}')) AS known
    FROM statscache_plugin LEFT JOIN statscache_coverage AS its ON its.plugin = ident LEFT JOIN (
        SELECT plugin, range_agg(tstzrange(second, second + interval '1 second')) AS seconds
        FROM (SELECT plugin, date_trunc('second', timestamp) AS second FROM statscache_quarantine) AS each
        GROUP BY plugin
    ) AS quarantined ON quarantined.plugin = ident
    WHERE :events = ANY (tables[2:])
) AS writers, unnest(known) AS span, LATERAL (
    SELECT tstzrange(lower(span) + reach, upper(span) - reach) * tstzrange(NULL, now() - :keep - reach) AS part
    WHERE coalesce(lower(span) + reach < upper(span) - reach, true)
) AS each
""")
NOTE = text("""
UPDATE statscache_coverage SET pruned = coalesce(pruned, '{}') + CAST(:done AS tstzmultirange)
WHERE plugin IN (SELECT ident FROM statscache_plugin WHERE :events = ANY (tables[2:]))
""")


class PruneEvents:
    """Deletes events so old that nothing which is still to count can change what came of them.

    Such is what the ledger has forgotten, and what came up to `give_up` before that, where all is covered for as long
    before and after. Not after the database's clock was set, as for the ledger.
    """

    def __init__(self, engine: Engine, parts: Iterable[Part], keep: timedelta, clocks: Clocks) -> None:
        plugins = [part.plugin for part in parts]
        self._tables = {plugin.episodes.events for plugin in plugins if isinstance(plugin, DurationPlugin)}
        self._engine = engine
        self._keep = keep
        self._clocks = clocks

    def run(self) -> bool:
        """Prune for a while, and return whether there may be more."""
        if not is_steady(self._engine, self._clocks):
            return False
        return prune_for_a_while(partial(self._prune, list(filter(self._is_any, self._tables))))

    def _prune(self, tables: list[Table]) -> bool:
        """Prune some, taking tables off the list that have no more, and return whether there may be more."""
        while tables:
            if prune(self._engine, tables[-1], self._keep) == PRUNED:
                return True
            tables.pop()
        return False

    def _is_any(self, events: Table) -> bool:
        """Return whether there is anything to delete, without having kept anybody waiting."""
        with self._engine.connect() as connection:
            done = _done(connection, events, self._keep)
            return connection.execute(_old(events, done).limit(1)).first() is not None


def prune(engine: Engine, events: Table, keep: timedelta) -> int:
    """Delete events that nothing needs, some at a time, and return how many; note of which times some are gone.

    :param keep: how long the ledger knows messages
    """
    with counting(engine) as connection:
        done = _done(connection, events, keep)
        old = _old(events, done).limit(PRUNED)
        number = connection.execute(delete(events).where(tuple_(*events.primary_key).in_(old))).rowcount
        if number:
            connection.execute(NOTE, {"done": done, "events": events.fullname})
    return number


def _done(connection: Connection, events: Table, keep: timedelta) -> str:
    """Return the times of which no event is needed, as PostgreSQL writes a multirange."""
    given = {"events": events.fullname, "keep": keep + timedelta(seconds=MARGIN_S)}
    return str(connection.scalar(DONE, given))


def _old(events: Table, done: str) -> Select[Any]:
    """Return what selects the events of some times, by their primary key."""
    span = func.unnest(cast(literal(done), TSTZMULTIRANGE), type_=TSTZRANGE)
    spans = select(span.label("span")).subquery("spans")
    first = func.coalesce(func.lower(spans.c.span), text("timestamptz '-infinity'"))
    when = events.c.timestamp
    inside = and_(when >= first, when < func.upper(spans.c.span))
    return select(*events.primary_key).join_from(spans, events, inside)
