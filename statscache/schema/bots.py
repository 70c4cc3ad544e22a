"""The function that tells bots from people, made anew by the table of bots whenever that changes.

PostgreSQL puts its text, a list of constants, into the question. A function that looked into the table for each name
would take thirty times as long.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import Connection, Engine

from statscache.database.lock import counting
from statscache.errors import number_of, some_of
from statscache.schema.objects import Definition, Variant, home_of, in_quotes, quoted, see_to
from statscache.store.bots import bots, replace_bots

log = logging.getLogger(__name__)

#: So many patterns that are new or gone are named in the log.
NAMED = 5
FUNCTION = "statscache_is_bot"
TRIGGER = "statscache_bot_changed"
ABOUT = "whether an account is a bot, by the patterns in statscache_bot; false for null"
#: A pattern as LIKE has it: what LIKE takes for special and a pattern does not is escaped.
LIKE = r"replace(replace(replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_')"
#: An expression of SQL, which is read when the function is made: nobody's search_path or operators change it.
BODY = f"""
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %I.{FUNCTION}(name text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE '
        'RETURN coalesce(name COLLATE "C" LIKE ANY (CAST(%L AS text[])), false)',
        TG_TABLE_SCHEMA,
        (SELECT coalesce(array_agg({LIKE} ORDER BY pattern COLLATE "C"), '{{}}')::text FROM {{home}}.statscache_bot));
    RETURN NULL;
END"""


def keep_bots(engine: Engine, patterns: Collection[str]) -> None:
    """Let the table of bots be this list, and the function answer by it: of several daemons the last to start decides.

    :raises DBAPIError: if the database fails
    """
    with counting(engine, patient=True) as connection:
        _see_to_trigger(connection)
        before = bots(connection)
        if before != frozenset(patterns):
            replace_bots(connection, patterns)
    if before != frozenset(patterns):
        _tell(before, frozenset(patterns))


def _see_to_trigger(connection: Connection) -> None:
    """Make the trigger that makes the function, and let it do so."""
    home = home_of(connection)
    definition = (
        "() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp "
        f"SET standard_conforming_strings = on AS {in_quotes(BODY.replace('{home}', quoted(home)))}"
    )
    about = f"makes {FUNCTION} anew when statscache_bot changes"
    trigger = Variant(definition, about, "()", private=True)
    see_to(connection, [Definition("FUNCTION", home, TRIGGER, [trigger])])
    for statement in (
        f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "
        f"{quoted(home)}.statscache_bot FOR EACH STATEMENT EXECUTE FUNCTION {quoted(home)}.{TRIGGER}()",
        f"DELETE FROM {quoted(home)}.statscache_bot WHERE false",
        f"COMMENT ON FUNCTION {quoted(home)}.{FUNCTION}(text) IS {in_quotes(ABOUT)}",
    ):
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _tell(before: frozenset[str], now: frozenset[str]) -> None:
    """Log what is new in the list, and what is gone from it."""
    changes = {"new": sorted(now - before), "gone": sorted(before - now)}
    told = "; ".join(f"{what}: {some_of(names, NAMED)}" for what, names in changes.items() if names)
    log.info(
        "statscache_bot now has the %s of statscache.bots (%s): of daemons with different lists the last that starts "
        "decides",
        number_of(len(now), "pattern"),
        told,
    )
