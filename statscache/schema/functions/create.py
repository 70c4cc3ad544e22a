"""Sees to the functions of the calendar, and of every table of a kind."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace

from sqlalchemy import Connection, Engine, Table, text

from statscache.database.dialect import LONGEST_NAME, PLAIN
from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.plugins import CountModel, DurationModel, FirstSeenModel, MeasureModel, Schedule
from statscache.plugins.first_seen import EACH_SECOND
from statscache.plugins.in_windows import WindowModel
from statscache.plugins.keyed import KeyedModel, key_columns, person_of
from statscache.schema.functions import calendar, counts, durations, first_seen, people, periods
from statscache.schema.functions.figures import figures_of
from statscache.schema.functions.table import WindowTable
from statscache.schema.objects import Definition, Variant, home_of, quoted, see_to

log = logging.getLogger(__name__)

#: The kinds whose tables have functions.
KINDS = (CountModel, MeasureModel, DurationModel, FirstSeenModel)
SCHEMAS = text(
    "SELECT name, nspname, current_schema() FROM unnest(CAST(:names AS text[])) AS name "
    "JOIN pg_class AS c ON c.oid = to_regclass(name) JOIN pg_namespace AS n ON n.oid = relnamespace"
)


def create_functions(engine: Engine, parts: Iterable[Part]) -> None:
    """See to the functions of the calendar, and of every table of a kind that these plugins write.

    :raises DBAPIError: if the database fails
    """
    schedules = _schedules(parts)
    with counting(engine, patient=True) as connection:
        schemas = _schemas(connection, schedules)
        tables = [
            _spoken_of(model, schedule, *schemas[_table(model)])
            for model, schedule in schedules.items()
            if _table(model) in schemas
        ]
        home = home_of(connection)
        see_to(connection, [*calendar.definitions(home), *durations.definitions(home)])
        see_to(connection, [definition for its in tables for definition in definitions(its)])


def _spoken_of(model: type[KeyedModel], schedule: Schedule, schema: str, home: str) -> WindowTable:
    its = WindowTable(_table(model), schema, home, schedule, _keys(model), person_of(model))
    if issubclass(model, WindowModel):
        return replace(its, figures=figures_of(model), leading=model.leading)
    return its


def definitions(its: WindowTable) -> list[Definition]:
    """Return the functions of a table; those whose names would be too long are left out."""
    variants = _of_kind(its)
    if its.person is not None and "timestamp" in its.table.columns:
        variants |= {
            "distinct": [people.distinct(its)],
            "activity": [people.activity(its)],
            "cohorts": [people.cohorts(its)],
        }
        if "volume" in its.figures:
            variants["half"] = [people.half(its)]
    names = {f"{its.table.name}_{suffix}": made for suffix, made in variants.items()}
    long = [name for name in names if len(name.encode()) > LONGEST_NAME]
    if long:
        log.warning(
            "the name of the table %s is too long, so it gets no function %s",
            its.table.fullname,
            ", ".join(long),
        )
    return [
        Definition("FUNCTION", its.schema, name, made) for name, made in names.items() if name not in long
    ]


def _of_kind(its: WindowTable) -> dict[str, list[Variant]]:
    if "timestamp" not in its.table.columns:
        return {"new": [first_seen.new(its)]}
    return _of_durations(its) if "bucket" in its.table.columns else _of_figures(its)


def _of_figures(its: WindowTable) -> dict[str, list[Variant]]:
    return {
        "series": counts.series(its),
        "top": counts.top(its),
        "periods": [periods.summed(its, its.figures)],
    }


def _of_durations(its: WindowTable) -> dict[str, list[Variant]]:
    return {
        "periods": [durations.sums(its)],
        "quantile": [durations.quantile(its)],
        "unended": [durations.unended(its)],
    }


def _schedules(parts: Iterable[Part]) -> dict[type[KeyedModel], Schedule]:
    """Return the windows of each table; tables with windows of several lengths are left out."""
    found: dict[type[KeyedModel], dict[int, Schedule]] = {}
    for part in parts:
        model, schedule = part.plugin.model, part.plugin.schedule
        if isinstance(model, type) and issubclass(model, KINDS):
            its = EACH_SECOND if issubclass(model, FirstSeenModel) else schedule
            if its is not None:
                found.setdefault(model, {})[its.seconds] = its
    return {model: next(iter(its.values())) for model, its in found.items() if len(its) == 1}


def _table(model: type[KeyedModel]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def _schemas(connection: Connection, models: Collection[type[KeyedModel]]) -> dict[Table, tuple[str, str]]:
    """Return the schema that each table is in, and that of our views, without tables that are not there."""
    names = {_name_of(_table(model)): _table(model) for model in models}
    return {
        names[name]: (own, home) for name, own, home in connection.execute(SCHEMAS, {"names": list(names)})
    }


def _name_of(table: Table) -> str:
    return ".".join(quoted(name) for name in (table.schema, table.name) if name)


def _keys(model: type[KeyedModel]) -> dict[str, str]:
    """Return the type of each key column, by its name."""
    columns = [_table(model).columns[name] for name in key_columns(model)]
    return {column.name: column.type.compile(PLAIN).partition(" COLLATE ")[0] for column in columns}
