"""The triggers by which the tables of plugins note what is removed from them by hand.

They do nothing in statscache's own transactions, which say so by a setting. A statement on a partition fires only the
partition's own triggers, so that each has all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, DateTime, Table, text
from sqlalchemy.exc import DBAPIError

from statscache.database.channels import HAS_ROOM, told_of
from statscache.database.engine import OWN
from statscache.database.model import Instant
from statscache.database.trouble import first_line
from statscache.hosting.loader import Part
from statscache.plugins import CountModel, Rows
from statscache.plugins.in_windows import tables_of
from statscache.schema.objects import Definition, Variant, home_of, in_quotes, marked, quoted, see_to, tried
from statscache.schema.relations import PATIENCE, Relation
from statscache.schema.tables import table_of

log = logging.getLogger(__name__)

FUNCTION = "statscache_note_removed"
#: Of more windows than this the days are noted.
MOST_WINDOWS = 10_000
GUARD = f"current_setting('{OWN}', true) IS DISTINCT FROM 'on'"
#: Each trigger's name, and when it is called.
TRIGGERS = {
    "statscache_delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone",
    "statscache_update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS gone NEW TABLE AS kept",
    "statscache_truncate": "BEFORE TRUNCATE ON {table}",
}
THERE = text(
    "SELECT tgrelid::bigint, tgname, obj_description(oid, 'pg_trigger') FROM pg_trigger "
    "WHERE tgrelid = ANY (CAST(:relations AS oid[])) AND tgname = ANY (:names) AND NOT tgisinternal"
)
#: A row that was changed is gone unless it has only a greater volume now.
CHANGED = """(SELECT was.* FROM gone AS was WHERE NOT EXISTS (
        SELECT FROM kept AS now WHERE to_jsonb(now) - TG_ARGV[2] = to_jsonb(was) - TG_ARGV[2] AND coalesce(
            (to_jsonb(now) ->> TG_ARGV[2])::numeric >= (to_jsonb(was) ->> TG_ARGV[2])::numeric, true)))"""
WINDOWS = f"""
    WITH windows AS (
        SELECT date_trunc('second', "timestamp") AS start, count(*) AS number
        FROM {{rows}} AS removed WHERE "timestamp" IS NOT NULL GROUP BY 1
    ), whole AS (
        SELECT count(*) AS windows, sum(number) AS number, tstzrange(min(start), max(start) + its_length) AS hull
        FROM windows
    ), parts AS (
        SELECT DISTINCT CASE WHEN whole.windows <= {MOST_WINDOWS} THEN tstzrange(start, start + its_length)
            ELSE tstzrange(date_trunc('day', start, 'UTC'), date_trunc('day', start, 'UTC') + '1 day' + its_length) END
            AS part
        FROM windows, whole
    )
    SELECT whole.number, tstzmultirange(hull) * range_agg(part) INTO its_rows, its_times
    FROM whole, parts GROUP BY whole.number, hull;"""
BODY = f"""
DECLARE
    its_length interval := make_interval(secs => nullif(TG_ARGV[1], '')::float8);
    its_past tstzrange := tstzrange(NULL, date_trunc('second', clock_timestamp()) + interval '1 second');
    its_rows bigint;
    its_times tstzmultirange;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF its_length IS NOT NULL THEN
            EXECUTE format(
                'SELECT range_agg(tstzrange("timestamp", "timestamp" + $1)) FROM (SELECT DISTINCT "timestamp" '
                'FROM %I.%I WHERE "timestamp" > $2 - $1 LIMIT {MOST_WINDOWS}) AS ahead',
                TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO its_times USING its_length, upper(its_past);
        END IF;
        its_times := coalesce(its_times, '{{}}') + tstzmultirange(its_past);
        its_times := its_times * coalesce((SELECT tstzmultirange(known.times) FROM {{home}}.statscache_relation AS known
            WHERE known.relation = TG_RELID LIMIT 1), tstzmultirange(tstzrange(NULL, NULL)));
    ELSIF TG_OP = 'DELETE' AND its_length IS NOT NULL THEN {WINDOWS.format(rows="gone")}
    ELSIF TG_OP = 'UPDATE' AND its_length IS NOT NULL THEN {WINDOWS.format(rows=CHANGED)}
    ELSIF TG_OP = 'DELETE' THEN
        SELECT count(*), tstzmultirange(its_past) INTO its_rows, its_times FROM gone;
    ELSE
        SELECT count(*), tstzmultirange(its_past) INTO its_rows, its_times FROM {CHANGED} AS removed;
    END IF;
    IF its_rows > 0 OR TG_OP = 'TRUNCATE' THEN
        INSERT INTO {{home}}.statscache_removed (table_name, times, rows, how, who, noted)
        VALUES (TG_ARGV[0], its_times, its_rows, TG_OP, session_user, clock_timestamp());
        PERFORM {told_of("TG_ARGV[0]")} WHERE {HAS_ROOM};
    END IF;
    RETURN NULL;
END"""


@dataclass(frozen=True)
class Watched:
    """What the triggers of a table need to know of it.

    :param seconds: the length of its windows, 1 where it has none; None where its rows have no instant
    :param volume: the column that only grows; empty where there is none
    """

    table: Table
    seconds: int | None
    volume: str

    @property
    def arguments(self) -> str:
        """The triggers' arguments."""
        seconds = "" if self.seconds is None else str(self.seconds)
        return ", ".join(in_quotes(value) for value in (self.table.fullname, seconds, self.volume))


def watched(parts: Iterable[Part]) -> list[Watched]:
    """Return the tables of plugins, with what their triggers need to know."""
    found: dict[str, Watched] = {}
    for part in parts:
        for table in tables_of(part.plugin.model):
            its = _watched(table, part)
            before = found.get(table.fullname)
            longer = before and (before.seconds or 0) > (its.seconds or 0)
            found[table.fullname] = before if before and longer else its
    return list(found.values())


def _watched(table: Table, part: Part) -> Watched:
    column = table.columns.get("timestamp")
    kind = None if column is None else column.type
    timed = isinstance(kind, Instant) or (isinstance(kind, DateTime) and kind.timezone)
    windowed = table is table_of(part) and part.plugin.rows is not Rows.LATEST
    schedule = part.plugin.schedule if windowed else None
    seconds = schedule.seconds if schedule else 1
    volume = "volume" if issubclass(part.plugin.model, CountModel) else ""
    return Watched(table, seconds if timed else None, volume)


def create_function(connection: Connection) -> None:
    """Create the function that the triggers call, unless it is there as it should be."""
    home = home_of(connection)
    body = BODY.replace("{home}", quoted(home))
    # It writes what the role that runs the statement may not. Whoever could make a trigger of it could do so, too.
    definition = (
        "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp "
        f"SET DateStyle = 'ISO' AS {in_quotes(body)}"
    )
    about = "notes in statscache_removed what somebody removes from a table by hand"
    see_to(
        connection, [Definition("FUNCTION", home, FUNCTION, [Variant(definition, about, "()", private=True)])]
    )


def create_triggers(
    connection: Connection, tables: Collection[Watched], present: Iterable[Relation]
) -> list[str]:
    """Create the triggers that are missing, and return why some cannot be created, a sentence for each relation.

    :param connection: holds the lock of `statscache.database.lock.counting`
    :param present: the relations that these tables and others consist of
    """
    failures = []
    for relation, statements in missing_triggers(connection, tables, present):
        error = tried(connection, [PATIENCE, *statements])
        if error is not None:
            failures.append(_failure(relation, error))
    return failures


def missing_triggers(
    connection: Connection, tables: Collection[Watched], present: Iterable[Relation]
) -> Iterator[tuple[Relation, list[str]]]:
    """Yield what creates the triggers that are missing, for each relation that misses any."""
    by_name = {its.table.fullname: its for its in tables}
    relations = [its for its in present if its.table in by_name]
    given = {"relations": [its.relation for its in relations], "names": list(TRIGGERS)}
    there = {(relation, name): comment for relation, name, comment in connection.execute(THERE, given)}
    home = quoted(home_of(connection))
    for relation in relations:
        made = _statements(relation, by_name[relation.table], home)
        missing = [name for name in TRIGGERS if there.get((relation.relation, name)) != made[name][0]]
        if missing:
            yield relation, [statement for name in missing for statement in made[name][1]]


def _statements(relation: Relation, its: Watched, home: str) -> dict[str, tuple[str, list[str]]]:
    """Return the comment of each trigger, and what creates it."""
    made = {}
    for name, event in TRIGGERS.items():
        definition = (
            f"CREATE OR REPLACE TRIGGER {name} {event.format(table=relation.sql)} FOR EACH STATEMENT "
            f"WHEN ({GUARD}) EXECUTE FUNCTION {home}.{FUNCTION}({its.arguments})"
        )
        comment = marked("notes what is removed by hand", definition)
        about = f"COMMENT ON TRIGGER {name} ON {relation.sql} IS {in_quotes(comment)}"
        made[name] = comment, [definition, about]
    return made


def _failure(relation: Relation, error: DBAPIError) -> str:
    return (
        f"{relation.sql} cannot note what is removed from it by hand ({first_line(error)}): that is tried again, "
        "until then delete nothing from it"
    )
