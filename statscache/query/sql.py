"""The SQL that gives what a view shows, for somebody to run in psql."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, literal_column
from sqlalchemy.dialects.postgresql import dialect

from statscache.instants import write_instant, write_second
from statscache.query.frame import Frame
from statscache.query.statistics import schedule_of
from statscache.query.tables import Served

#: A name that needs no quotes.
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
#: Doubles no % in what it writes.
DIALECT = dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # it has no types
#: The longest name that PostgreSQL gives to anything, in bytes.
LONGEST = 63
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
    table: Table = frame.table.table
    step, zone, by = frame.step, _text(str(frame.view.zone)), frame.view.by
    keys = [_name(by)] if by else []
    columns = [f"""date_trunc('{step}', "timestamp", {zone}) AS {step}""", *keys]
    places = ", ".join(str(place) for place in range(1, len(columns) + 1))
    start, stop = _ends(frame)
    conditions = [f'"timestamp" >= {start}', f'"timestamp" < {stop}']
    conditions += [f"{_name(column)} IN ({_texts(values)})" for column, values in frame.view.keys.items()]
    wanted = ", ".join([*columns, f"{_expression(frame)} AS {frame.figure.name}"])
    where = "\n  AND ".join(conditions)
    return f"SELECT {wanted}\nFROM {_table(table)}\nWHERE {where}\nGROUP BY {places}\nORDER BY {places};"


def _by_function(frame: Frame) -> str:
    """Return a statement that calls a function of the table; empty if there is none that gives the same.

    A function takes one value of a key, or all.
    """
    figure, by, keys = frame.figure, frame.view.by, frame.view.keys
    if figure.function is None or set(keys) - {by}:
        return ""
    suffix, argument, column = figure.function
    name = f"{frame.table.table.name}_{suffix}"
    if {"by", "complete", column} & {*frame.statistic.keys} or len(name.encode()) > LONGEST:
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
    its = frame.figure.of_rows(_Columns())
    options = {"literal_binds": True}
    return re.sub(r"\s+", " ", str(its.compile(dialect=DIALECT, compile_kwargs=options)))


class _Columns(dict[str, Any]):
    """The columns of a table by name, as they stand in a question about it alone."""

    def __missing__(self, name: str) -> Any:
        return literal_column(_name(name))


def sql_of_rows(table: Served, start: datetime, stop: datetime, keys: Mapping[str, Sequence[str]]) -> str:
    """Return a statement for the rows of a table, each with whether it is complete."""
    seconds = schedule_of(table).seconds
    names = [_name(column.name) for column in table.table.primary_key if column.name != "timestamp"]
    conditions = [f"\"timestamp\" >= '{write_instant(start)}'", f"\"timestamp\" < '{write_instant(stop)}'"]
    conditions += [f"{_name(column)} IN ({_texts(values)})" for column, values in keys.items()]
    known = f"(SELECT complete FROM statscache_freshness WHERE table_name = {_text(table.table.fullname)})"
    window = f'tstzrange("timestamp", "timestamp" + interval \'{seconds} seconds\')'
    figures = [column.name for column in table.table.columns if not column.primary_key]
    columns = ['"timestamp"', *names, *figures, f"coalesce({known} @> {window}, false) AS complete"]
    order = ", ".join(['"timestamp"', *names])
    where = " AND ".join(conditions)
    return f"SELECT {', '.join(columns)} FROM {_table(table.table)} WHERE {where} ORDER BY {order}"


def _table(table: Table) -> str:
    return f"{_schema(table)}{_name(table.name)}"


def _schema(table: Table) -> str:
    return f"{_name(table.schema)}." if table.schema else ""


def _name(name: str) -> str:
    return name if PLAIN.fullmatch(name) and name not in RESERVED else '"' + name.replace('"', '""') + '"'


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
