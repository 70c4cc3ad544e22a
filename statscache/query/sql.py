"""The SQL that gives what a view shows, for somebody to run in psql."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, literal_column

from statscache.database.dialect import LONGEST_NAME, PLAIN
from statscache.instants import write_instant, write_second
from statscache.query.frame import Frame
from statscache.query.statistics import schedule_of
from statscache.query.tables import Served

#: A name that needs no quotes.
BARE = re.compile(r"[a-z_][a-z0-9_]*")
#: Words of SQL that a key may be called.
RESERVED = (
    "user",
    "group",
    "order",
    "table",
    "from",
    "to",
    "when",
    "end",
    "all",
    "any",
    "column",
    "check",
    "default",
)


def sql_of(frame: Frame) -> str:
    """Return a statement for PostgreSQL 14 or newer: by a function of the table where one gives the figure."""
    return _by_function(frame) or _by_rows(frame)


def _by_rows(frame: Frame) -> str:
    """Return a statement that takes rows together."""
    source, conditions = _source(frame)
    step, zone, by = frame.step, _text(str(frame.view.zone)), frame.view.by
    keys = [_name(by)] if by else []
    columns = [f"""date_trunc('{step}', "timestamp", {zone}) AS {step}""", *keys]
    places = ", ".join(str(place) for place in range(1, len(columns) + 1))
    start, stop = _ends(frame)
    conditions = [f'"timestamp" >= {start}', f'"timestamp" < {stop}', *conditions]
    wanted = ", ".join([*columns, f"{_expression(frame)} AS {frame.figure.name}"])
    where = "\n  AND ".join(conditions)
    return f"SELECT {wanted}\nFROM {source}\nWHERE {where}\nGROUP BY {places}\nORDER BY {places};"


def _source(frame: Frame) -> tuple[str, list[str]]:
    """Return what has the rows of which figures are taken, and the conditions for those that are wanted."""
    served, keys = frame.table, frame.view.keys
    if not served.kind.since_ever:
        return _table(served.table), [f"{_name(name)} IN ({_texts(values)})" for name, values in keys.items()]
    columns = served.table.c
    wanted = [columns[name].in_(map(literal_column, map(_text, values))) for name, values in keys.items()]
    return f"({_written(served.rows([frame.view.by], wanted).element)}) AS firsts", []


def _by_function(frame: Frame) -> str:
    """Return a statement that calls a function of the table; empty if there is none that gives the same.

    A function takes one value of a key, or all.
    """
    figure, by, keys = frame.figure, frame.view.by, frame.view.keys
    if figure.function is None or set(keys) - {by} or (by and not figure.function.by):
        return ""
    suffix, column, argument, _ = figure.function
    name = f"{frame.table.table.name}_{suffix}"
    if {"by", "complete", column} & {*frame.statistic.keys} or len(name.encode()) > LONGEST_NAME:
        return ""
    start, stop = _ends(frame)
    apart = f", by => ARRAY[{_text(by)}]" if by else ""
    called = f"{_schema(frame.table.table)}{_name(name)}({start}, {stop}, {argument}'{frame.step}', "
    called += f"{_text(str(frame.view.zone))}{apart})"
    its = [_name(by)] if by else []
    shown = f"{column} AS {figure.name}" if column != figure.name else column
    wanted = ", ".join([f'"timestamp" AS {frame.step}', *its, shown, "complete"])
    chosen = "".join(f"\nWHERE {_name(key)} IN ({_texts(values)})" for key, values in keys.items())
    return f"SELECT {wanted}\nFROM {called}{chosen}\nORDER BY {', '.join(map(str, range(1, len(its) + 2)))};"


def _ends(frame: Frame) -> tuple[str, str]:
    """Return where the periods begin and end, as literals."""
    start, stop = (write_second(each) for each in (frame.periods[0].start, frame.periods[-1].stop))
    return f"'{start}'", f"'{stop}'"


def _expression(frame: Frame) -> str:
    """Return what gives the figure of rows."""
    return _written(frame.figure.of_rows(_Columns()))


def _written(its: Any) -> str:
    """Return an expression or a question in one line; what it has of texts must be as `_text` gives them."""
    return re.sub(r"\s*\n\s*", " ", str(its.compile(dialect=PLAIN, compile_kwargs={"literal_binds": True})))


class _Columns(dict[str, Any]):
    """The columns of a table by name, as they stand in a question about it alone."""

    def __missing__(self, name: str) -> Any:
        return literal_column(_name(name))


def sql_of_rows(table: Served, start: datetime, stop: datetime, keys: Mapping[str, Sequence[str]]) -> str:
    """Return a statement for the rows of a table, each with whether it is complete."""
    time, key = _name(table.time.name), [column.name for column in table.table.primary_key]
    names = [_name(name) for name in key if name != table.time.name]
    conditions = [f"{time} >= '{write_instant(start)}'", f"{time} < '{write_instant(stop)}'"]
    conditions += [f"{_name(column)} IN ({_texts(values)})" for column, values in keys.items()]
    known = f"FROM statscache_freshness WHERE table_name = {_text(table.table.fullname)}"
    since = f"least((SELECT history_from {known}), {time})" if table.kind.since_ever else time
    window = f"tstzrange({since}, {time} + interval '{schedule_of(table).seconds} seconds')"
    columns = [_name(column.name) for column in table.table.columns]
    columns.append(f"coalesce((SELECT complete {known}) @> {window}, false) AS complete")
    order = ", ".join([time, *names])
    where = " AND ".join(conditions)
    return f"SELECT {', '.join(columns)} FROM {_table(table.table)} WHERE {where} ORDER BY {order}"


def _table(table: Table) -> str:
    return f"{_schema(table)}{_name(table.name)}"


def _schema(table: Table) -> str:
    return f"{_name(table.schema)}." if table.schema else ""


def _name(name: str) -> str:
    return name if BARE.fullmatch(name) and name not in RESERVED else '"' + name.replace('"', '""') + '"'


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(_text, values))


def _text(value: str) -> str:
    """Return a text as a literal, with nothing in it that moves a terminal's cursor."""
    quoted = value.replace("'", "''")
    if value.isprintable():
        return f"'{quoted}'"
    return (
        "U&'"
        + "".join(each if each.isprintable() and each != "\\" else _escape(each) for each in quoted)
        + "'"
    )


def _escape(character: str) -> str:
    return f"\\+{ord(character):06X}"
