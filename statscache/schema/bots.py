"""The function that tells bots from people, made anew by the table of bots whenever that changes.

PostgreSQL puts its text, a list of constants, into the question. A function that looked into the table for each name
would take thirty times as long.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from statscache.database.lock import counting
from statscache.database.trouble import first_line, is_database_trouble
from statscache.errors import number_of, some_of
from statscache.schema.objects import Definition, Variant, home_of, in_quotes, marked, quoted, see_to, tried
from statscache.store.bots import bots, replace_bots

log = logging.getLogger(__name__)

#: So many patterns that are new or gone are named in the log.
NAMED = 5
SETTINGS = "SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on"
#: The comment of the trigger, if both are there.
THERE = text(
    "SELECT obj_description(oid, 'pg_trigger') FROM pg_trigger WHERE tgrelid = to_regclass(:table) "
    "AND tgname = :trigger AND to_regprocedure(:function) IS NOT NULL"
)
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

    Where that is not allowed the log says so, and the list stays as it is.

    :raises DBAPIError: if the database fails
    """
    now = frozenset(patterns)
    with counting(engine, patient=True) as connection:
        error = _see_to_function(connection)
        before = bots(connection)
        if error is None and before != now:
            error = _replaced(connection, now)
    if error is not None:
        log.error("%s cannot be kept (%s): remove the cause and start again", FUNCTION, first_line(error))
    elif before != now:
        _tell(before, now)


def _see_to_function(connection: Connection) -> DBAPIError | None:
    """Make the trigger that makes the function, let it do so unless both are there, and return why it cannot."""
    home = quoted(home_of(connection))
    body = in_quotes(BODY.replace("{home}", home))
    definition = f"() RETURNS trigger LANGUAGE plpgsql {SETTINGS} AS {body}"
    maker = Variant(definition, f"makes {FUNCTION} anew when statscache_bot changes", "()", private=True)
    see_to(connection, [Definition("FUNCTION", home_of(connection), TRIGGER, [maker])])
    comment = marked(f"makes {FUNCTION} anew", definition)
    given = {"table": f"{home}.statscache_bot", "trigger": TRIGGER, "function": f"{home}.{FUNCTION}(text)"}
    if list(connection.scalars(THERE, given)) == [comment]:
        return None
    return tried(
        connection,
        [
            f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
            f"ON {home}.statscache_bot FOR EACH STATEMENT EXECUTE FUNCTION {home}.{TRIGGER}()",
            f"COMMENT ON TRIGGER {TRIGGER} ON {home}.statscache_bot IS {in_quotes(comment)}",
            f"DELETE FROM {home}.statscache_bot WHERE false",  # which fires it
            f"COMMENT ON FUNCTION {home}.{FUNCTION}(text) IS {in_quotes(ABOUT)}",
        ],
    )


def _replaced(connection: Connection, patterns: Collection[str]) -> DBAPIError | None:
    """Replace the list, and return why that cannot be done."""
    try:
        with connection.begin_nested():
            replace_bots(connection, patterns)
    except DBAPIError as error:
        if is_database_trouble(error):
            raise
        return error
    return None


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
