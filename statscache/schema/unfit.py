"""Which plugins cannot run on the tables that are there, why, and what would change that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import DBAPIError

from statscache.database.trouble import first_line, is_database_trouble, is_locked_out
from statscache.errors import number_of
from statscache.hosting.loader import Part
from statscache.instants import write_instant
from statscache.plugins.in_windows import tables_of
from statscache.schema.remaking import remakings
from statscache.schema.tables import misfit
from statscache.store.remade import remade_for_later

#: So many rows of a table are counted at most, which takes no time.
MOST = 100_000
COUNTED = text("""
SELECT lower(covered), upper(covered) FROM statscache_coverage WHERE plugin = :plugin AND NOT isempty(covered)
""")


def find_unfit(
    engine: Engine, parts: Sequence[Part], differing: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Return why each of the plugins that cannot run does not, and what would change that.

    :param differing: for each table that does not fit its model, how it differs
    """
    found: dict[str, str] = {}
    with engine.connect() as connection:
        later = remade_for_later(connection, {part.ident: part.plugin.version for part in parts})
        for part in parts:
            names = [table.fullname for table in tables_of(part.plugin.model)]
            unfit = [misfit(name, differing[name]) for name in names if name in differing]
            if part.ident in later:
                found[part.ident] = (
                    f"its table was made anew for version {later[part.ident]} of the plugin, and this one is version "
                    f"{part.plugin.version}: install that version"
                )
            elif unfit:
                found[part.ident] = f"{'; '.join(unfit)}; {_advice(connection, part)}"
    return found


def _advice(connection: Connection, part: Part) -> str:
    """Return what makes the tables of a plugin fit, and what would be lost."""
    try:
        with connection.begin_nested():
            return _remedy(connection, part)
    except DBAPIError as error:  # as it may not read the table, or somebody holds it
        if is_database_trouble(error) and not is_locked_out(error):
            raise
        return f"rename or change the table ({first_line(error)})"


def _remedy(connection: Connection, part: Part) -> str:
    found = remakings(connection, tables_of(part.plugin.model))
    command = f"statscache upgrade --plugin {part.ident}"
    if not found or any(its.in_the_way for its in found):
        return f"rename or change the table, `{command} --dry-run` says what depends on it"
    emptied = [its.table for its in found if its.emptied]
    if not emptied:
        return f"`{command}` changes that, and keeps all rows"
    rows = _in_words(sum(_rows(connection, table) for table in emptied))
    times = _counted(connection.execute(COUNTED, {"plugin": part.ident}).one_or_none())
    return f"`{command} --accept-loss` changes that, and drops what it has counted ({rows}{times})"


def _rows(connection: Connection, table: Table) -> int:
    """Return how many rows a table has, or a few more than MOST."""
    name = connection.dialect.identifier_preparer.format_table(table)
    query = f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {MOST + 1}) AS few"
    return int(connection.exec_driver_sql(query).scalar_one())


def _in_words(rows: int) -> str:
    """Return a number of rows in words."""
    return number_of(rows, "row") if rows <= MOST else f"more than {MOST} rows"


def _counted(times: Sequence[datetime] | None) -> str:
    """Return from when until when something was counted, as it goes on in a sentence."""
    if times is None or None in times:
        return ""
    start, stop = map(write_instant, times)
    return f", from {start} to {stop}"
