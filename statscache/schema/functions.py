"""Functions that answer the common questions of each table of counts: a series, and the greatest.

A view takes no range of time, so these are functions, written so that PostgreSQL puts their text into the question:
then it uses the table's indexes, and what the question filters by. They are texts to it, too: a table can be dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.dialects.postgresql import dialect

from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.plugins import CountModel, Schedule
from statscache.schema.objects import Definition, Variant, in_quotes, quoted, see_to

log = logging.getLogger(__name__)

#: The longest name that PostgreSQL gives to anything, in bytes.
LONGEST = 63
SCHEMAS = text(
    "SELECT name, nspname, current_schema() FROM unnest(CAST(:names AS text[])) AS name "
    "JOIN pg_class AS c ON c.oid = to_regclass(name) JOIN pg_namespace AS n ON n.oid = relnamespace"
)
DIALECT = dialect()  # type: ignore[no-untyped-call]  # it has no types
INSTANT = "timestamptz"
#: Arguments: a name, a type, a default.
RANGE = (("start", INSTANT, ""), ("stop", INSTANT, " DEFAULT now()"))
NUMBER = ("n", "integer", " DEFAULT 10")
#: What stands for a moment later than which no message counts.
END = "least($2, now())"
MOMENT = "'1 microsecond'"


@dataclass(frozen=True)
class Counts:
    """A table of counts, as SQL speaks of it.

    :param schema: in which it is
    :param home: the schema of statscache's own views
    :param keys: the type of each key column, by the column's name
    """

    table: Table
    schema: str
    home: str
    schedule: Schedule
    keys: Mapping[str, str]

    @property
    def name(self) -> str:
        """The table."""
        return f"{quoted(self.schema)}.{quoted(self.table.name)}"

    @property
    def length(self) -> str:
        """The length of a window."""
        return f"interval '{self.schedule.seconds} seconds'"

    def start_of(self, instant: str) -> str:
        """Return the start of the window that an instant lies in; none begins before 1970."""
        origin = int(self.schedule.epoch.timestamp()) % self.schedule.seconds
        return f"date_bin({self.length}, greatest({instant}, to_timestamp(0)), to_timestamp({origin}))"

    def inside(self, row: str) -> str:
        """Return whether a row lies in the range asked for."""
        return f'{row}."timestamp" >= {self.start_of("$1")} AND {row}."timestamp" < {END}'

    def complete(self, start: str, stop: str) -> str:
        """Return whether the table has every message of a time."""
        view, name = f"{quoted(self.home)}.statscache_freshness", in_quotes(self.table.fullname)
        known = f"(SELECT f.complete FROM {view} AS f WHERE f.table_name = {name})"
        return f"coalesce({known} @> tstzrange({start}, {stop}), false)"

    @property
    def columns(self) -> list[str]:
        """The key columns, as identifiers."""
        return [quoted(key) for key in self.keys]

    def argument(self, name: str) -> str:
        """Return a name for an argument that no column of the answer has."""
        while name in (*self.keys, "timestamp", "volume", "complete"):
            name += "_"
        return quoted(name)


def create_functions(engine: Engine, parts: Iterable[Part]) -> None:
    """See to the functions of every table of counts that these plugins write.

    :raises DBAPIError: if the database fails
    """
    schedules = _schedules(parts)
    with counting(engine, patient=True) as connection:
        schemas = _schemas(connection, schedules)
        counts = [
            Counts(table, *schemas[table], schedule, _keys(table))
            for table, schedule in schedules.items()
            if table in schemas
        ]
        see_to(connection, [definition for its in counts for definition in definitions(its)])


def definitions(counts: Counts) -> list[Definition]:
    """Return the functions of a table: `<table>_series` and `<table>_top`."""
    variants = {"series": [_series(counts)], "top": [_top(counts) if counts.keys else _busiest(counts)]}
    if counts.keys:
        variants["series"].append(_series_of_one(counts))
    names = {f"{counts.table.name}_{suffix}": its for suffix, its in variants.items()}
    if any(len(name.encode()) > LONGEST for name in names):
        log.warning(
            "the name of the table %s is too long, so it gets no functions of its own", counts.table.fullname
        )
        return []
    return [Definition("FUNCTION", counts.schema, name, its) for name, its in names.items()]


def _series(counts: Counts) -> Variant:
    """Return what lists every window, and in each every key that occurs in the range."""
    about = "every window from start to before stop, with 0 for those without messages"
    if not counts.keys:
        return _variant(counts, RANGE, counts.keys, _windows(counts, [], "", []), about)
    keys = ", ".join(f"r.{key}" for key in counts.columns)
    occurring = f"CROSS JOIN (SELECT DISTINCT {keys} FROM {counts.name} AS r WHERE {counts.inside('r')}) AS k"
    columns = [f"k.{key}" for key in counts.columns]
    body = _windows(counts, columns, occurring, columns)
    return _variant(counts, RANGE, counts.keys, body, f"{about}, for each key that occurs there")


def _series_of_one(counts: Counts) -> Variant:
    """Return what lists every window for one key."""
    names = ["key"] if len(counts.keys) == 1 else [f"key{n}" for n in range(1, len(counts.keys) + 1)]
    given = [(name, kind, "") for name, kind in zip(names, counts.keys.values(), strict=True)]
    values = [f"CAST (${n} AS {kind})" for n, kind in enumerate(counts.keys.values(), start=3)]
    about = "every window from start to before stop, with 0 for those without messages, for one key"
    start, stop = (argument[:2] for argument in RANGE)
    arguments = [(*start, ""), (*stop, ""), *given]
    return _variant(counts, arguments, counts.keys, _windows(counts, values, "", values), about)


def _windows(counts: Counts, columns: Sequence[str], others: str, keys: Sequence[str]) -> str:
    """Return what selects every window with its volume.

    :param columns: what gives the key columns of the answer
    :param others: what is joined to the windows
    :param keys: what the key columns of the rows counted must equal
    """
    same = "".join(f" AND d.{own} = {key}" for own, key in zip(counts.columns, keys, strict=False))
    last = f"{END} - interval {MOMENT}"
    chosen = ", ".join(
        [
            "w.start",
            *columns,
            "coalesce(d.volume, 0)",
            counts.complete("w.start", f"w.start + {counts.length}"),
        ]
    )
    return (
        f"SELECT {chosen} "
        f"FROM generate_series({counts.start_of('$1')}, {last}, {counts.length}) AS w (start) {others} "
        f'LEFT JOIN {counts.name} AS d ON d."timestamp" = w.start AND {counts.inside("d")}{same} '
        f"WHERE $1 < $2 ORDER BY {', '.join(['w.start', *(c for c in columns if c.startswith('k.'))])}"
    )


def _top(counts: Counts) -> Variant:
    """Return what lists the keys with the greatest sums."""
    keys = ", ".join(f"r.{key}" for key in counts.columns)
    end = f"{counts.start_of(f'({END} - interval {MOMENT})')} + {counts.length}"
    body = (
        f"SELECT {keys}, CAST (sum(r.volume) AS bigint), {counts.complete(counts.start_of('$1'), end)} "
        f"FROM {counts.name} AS r WHERE {counts.inside('r')} AND $1 < $2 "
        f"GROUP BY {keys} ORDER BY sum(r.volume) DESC, {keys} LIMIT $3"
    )
    about = "the n keys with the greatest sums from start to before stop"
    return _variant(counts, [*RANGE, NUMBER], counts.keys, body, about, timed=False)


def _busiest(counts: Counts) -> Variant:
    """Return what lists the windows with the greatest counts, where there are no keys."""
    whole = counts.complete('r."timestamp"', f'r."timestamp" + {counts.length}')
    body = (
        f'SELECT r."timestamp", r.volume, {whole} FROM {counts.name} AS r '
        f'WHERE {counts.inside("r")} AND $1 < $2 ORDER BY r.volume DESC, r."timestamp" LIMIT $3'
    )
    about = "the n windows with the greatest counts from start to before stop"
    return _variant(counts, [*RANGE, NUMBER], {}, body, about)


def _variant(
    counts: Counts,
    arguments: Sequence[tuple[str, str, str]],
    keys: Mapping[str, str],
    body: str,
    about: str,
    timed: bool = True,
) -> Variant:
    """Return a function that gives rows of a window's start, keys, a volume, and whether that is complete.

    :param arguments: the name, the type and the default of each
    """
    named = [(counts.argument(name), kind, default) for name, kind, default in arguments]
    given = ", ".join(f"{name} {kind}{default}" for name, kind, default in named)
    columns = [f'"timestamp" {INSTANT}'] if timed else []
    columns += [f"{quoted(key)} {kind}" for key, kind in keys.items()]
    returned = ", ".join([*columns, "volume bigint", "complete boolean"])
    return Variant(
        f"({given}) RETURNS TABLE ({returned}) LANGUAGE sql STABLE PARALLEL SAFE AS {in_quotes(body)}",
        f"{counts.table.comment or counts.table.name}: {about}; complete says whether no message is missing",
        "(" + ", ".join(f"{name} {kind}" for name, kind, _ in named) + ")",
    )


def _schedules(parts: Iterable[Part]) -> dict[Table, Schedule]:
    """Return the windows of each table of counts; tables with windows of several lengths are left out."""
    found: dict[Table, dict[int, Schedule]] = {}
    for part in parts:
        model, schedule = part.plugin.model, part.plugin.schedule
        if isinstance(model, type) and issubclass(model, CountModel) and schedule is not None:
            found.setdefault(model.__table__, {})[schedule.seconds] = schedule  # type: ignore[arg-type]
    return {table: next(iter(its.values())) for table, its in found.items() if len(its) == 1}


def _schemas(connection: Connection, tables: Collection[Table]) -> dict[Table, tuple[str, str]]:
    """Return the schema that each table is in, and that of our views, without tables that are not there."""
    names = {_name_of(table): table for table in tables}
    return {
        names[name]: (own, home) for name, own, home in connection.execute(SCHEMAS, {"names": list(names)})
    }


def _name_of(table: Table) -> str:
    return ".".join(quoted(name) for name in (table.schema, table.name) if name)


def _keys(table: Table) -> dict[str, str]:
    """Return the type of each key column, by its name."""
    columns = [column for column in table.primary_key if column.name != "timestamp"]
    return {column.name: column.type.compile(DIALECT).partition(" COLLATE ")[0] for column in columns}
