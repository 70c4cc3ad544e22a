"""Giving a plugin's tables the form of its models at somebody's word, in one transaction in which nobody counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from statscache.counting.notifications import tell_of_coverage
from statscache.database.lock import counting
from statscache.database.trouble import first_line, is_database_trouble, is_deadlock, is_locked_out
from statscache.errors import StatscacheError
from statscache.hosting.loader import Part
from statscache.plugins.in_windows import tables_of
from statscache.schema.migrations.locking import LONG_PAUSES, Busy, persist
from statscache.schema.registry import PluginRow
from statscache.schema.relations import note_relations
from statscache.schema.remaking import Remaking, remakings
from statscache.schema.tables import columns_of
from statscache.store.coverage import CoverageRow
from statscache.store.daemons import heedless_daemons
from statscache.store.remade import note_remade
from statscache.store.removals import RelationRow, RemovedRow
from statscache.store.uncounting import uncount
from statscache.store.versions import VersionRow
from statscache.upkeep.retention.windows import EVER

#: How long those who read a table are waited for at once, while nobody can count.
SOON = "SET LOCAL lock_timeout = '1s'"
#: Rows of the ledger, and kept rows of the table, may have to be written anew.
PATIENCE = "SET LOCAL statement_timeout = '6h'; SET LOCAL lock_timeout = '1min'"
#: What was counted of a time that is still to come is gone, and will not come again.
AHEAD = text("""
INSERT INTO statscache_removed (table_name, times, how)
SELECT name, range_agg(tstzrange(second, second + interval '1 second')), :how
FROM unnest(CAST(:tables AS text[])) AS name, (
    SELECT DISTINCT date_trunc('second', its.timestamp) AS second
    FROM statscache_ledger AS its JOIN statscache_plugin_set AS counted ON counted.id = its.plugin_set
    WHERE plugins && CAST(:plugins AS text[]) AND its.timestamp > date_trunc('second', clock_timestamp())
) AS each GROUP BY name
""")
HOW = "statscache upgrade"
#: The types of a column that has the time of a row.
TIMES = ("timestamp with time zone", "timestamp without time zone", "date")


@dataclass(frozen=True)
class Lost:
    """What of a table's rows is lost.

    :param rows: how many there are
    :param start: the window of the first, None where rows have no time
    :param stop: that of the last
    """

    rows: int
    start: datetime | None = None
    stop: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done to the tables of a plugin, and of those that write the same.

    :param versions: by which version these plugins are counted then
    """

    ident: str
    versions: dict[str, int]
    tables: Sequence[Remaking]

    @property
    def in_the_way(self) -> list[str]:
        """What keeps it from being done."""
        return [f"{its.table.fullname}: {what}" for its in self.tables for what in its.in_the_way]

    @property
    def emptied(self) -> list[Remaking]:
        """The tables that lose their rows."""
        return [its for its in self.tables if its.emptied]


class InTheWay(StatscacheError):
    """Something depends on what is to be changed; nothing was changed."""


class WouldLose(StatscacheError):
    """Rows would be lost, and nobody has said that they may be; nothing was changed."""


def plan(connection: Connection, parts: Sequence[Part], ident: str) -> Plan:
    """Return what is to be done.

    :param parts: the plugins that run here
    :raises StatscacheError: if none of them has that ident, or a daemon may run that would not notice
    """
    if ident not in {part.ident for part in parts}:
        raise StatscacheError(f"no plugin {ident!r} runs here: `statscache plugins` lists those that do")
    group = _together(parts, ident)
    tables = list(dict.fromkeys(table for part in group for table in tables_of(part.plugin.model)))
    recorded = select(PluginRow.ident, func.coalesce(PluginRow.version, 1)).where(
        PluginRow.tables.overlap([table.fullname for table in tables])
    )
    versions = dict(connection.execute(recorded).all()) | {part.ident: part.plugin.version for part in group}
    return Plan(ident, versions, remakings(connection, tables))


def _together(parts: Sequence[Part], ident: str) -> list[Part]:
    """Return the plugins that write the same tables as one of them, or as any of those."""
    found = [part for part in parts if part.ident == ident]
    while True:
        names = {table.fullname for part in found for table in tables_of(part.plugin.model)}
        wider = [
            part for part in parts if names & {table.fullname for table in tables_of(part.plugin.model)}
        ] or found
        if len(wider) == len(found):
            return found
        found = wider


def lost(connection: Connection, its: Remaking) -> Lost:
    """Return what a table loses: all that it has."""
    name = connection.dialect.identifier_preparer.format_table(its.table)
    rows = int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())
    time = columns_of(connection, [its.table])[its.table.fullname].get("timestamp")
    if time is None or time.kind not in TIMES or not rows:
        return Lost(rows)
    ends = 'min("timestamp")::timestamptz, max("timestamp")::timestamptz'
    start, stop = connection.exec_driver_sql(f"SELECT {ends} FROM {name}").one()
    return Lost(rows, start, stop)


def remake(engine: Engine, parts: Sequence[Part], ident: str, accept_loss: bool) -> Plan:
    """Give the tables of a plugin the form of its models; killed at any point, it has happened or not.

    :param parts: the plugins that run here
    :param accept_loss: whether rows may be lost
    :return: what was done
    :raises InTheWay: if something depends on what is to be changed
    :raises WouldLose: if rows would be lost that may not be
    :raises Busy: if others hold a table for minutes
    :raises StatscacheError: if it cannot be done for another reason
    """
    done: list[Plan] = []

    def once() -> None:
        with counting(engine, patient=True) as connection:
            done[:] = [plan(connection, parts, ident)]
            _check(connection, done[0], accept_loss)
            if done[0].tables:
                _lock(connection, done[0])
                _change(connection, done[0])

    try:
        persist(once, LONG_PAUSES)
    except Busy as error:
        raise Busy(
            f"{ident}: its tables are held by others ({error}); end what holds them, and run this again"
        ) from None
    return done[0]


def _check(connection: Connection, its: Plan, accept_loss: bool) -> None:
    if earlier := heedless_daemons(connection):
        raise StatscacheError(
            f"nothing was changed: {', '.join(map(str, earlier))} may run and would not notice: stop it, or start it "
            "in this version, and run this again"
        )
    if its.in_the_way:
        raise InTheWay(
            f"nothing was changed, as these depend on what would be: {'; '.join(its.in_the_way)}: drop or change them, "
            "and run this again"
        )
    if its.emptied and not accept_loss and any(lost(connection, each).rows for each in its.emptied):
        raise WouldLose(
            f"nothing was changed: {', '.join(each.table.fullname for each in its.emptied)} would lose all rows; "
            "--accept-loss says that they may go"
        )


def _lock(connection: Connection, its: Plan) -> None:
    """Keep everybody else from the tables.

    :raises Busy: if somebody holds one
    """
    names = ", ".join(connection.dialect.identifier_preparer.format_table(each.table) for each in its.tables)
    connection.exec_driver_sql(SOON)
    try:
        connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    except DBAPIError as error:
        if is_locked_out(error) or is_deadlock(error):
            raise Busy(first_line(error)) from error
        raise
    connection.exec_driver_sql(PATIENCE)


def _change(connection: Connection, its: Plan) -> None:
    for each in its.tables:
        _run(connection, each)
    if its.emptied:
        _forget(connection, its.versions, [each.table.fullname for each in its.emptied])
    note_remade(connection, its.versions, bool(its.emptied))
    tell_of_coverage(connection, list(its.versions))


def _run(connection: Connection, its: Remaking) -> None:
    for statement in its.statements:
        try:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        except DBAPIError as error:
            if is_database_trouble(error):
                raise
            detail: Any = getattr(error.orig, "diag", None)
            more = f" ({detail.message_detail})" if detail and detail.message_detail else ""
            raise InTheWay(f"nothing was changed: {its.table.fullname}: {first_line(error)}{more}") from error


def _forget(connection: Connection, plugins: Collection[str], tables: Collection[str]) -> None:
    """Let plugins have counted nothing, and nobody have removed anything from their tables."""
    connection.execute(delete(RemovedRow).where(RemovedRow.table_name.in_(tables)))
    connection.execute(AHEAD, {"tables": list(tables), "plugins": list(plugins), "how": HOW})
    uncount(connection, sorted(plugins), [EVER])
    gone: Iterable[Any] = (
        update(CoverageRow).where(CoverageRow.plugin.in_(plugins)).values(pruned=None),
        delete(VersionRow).where(VersionRow.plugin.in_(plugins)),
        delete(RelationRow).where(RelationRow.table_name.in_(tables)),
    )
    for statement in gone:
        connection.execute(statement)
    note_relations(connection)
