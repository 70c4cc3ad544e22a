"""The SQL that gives what a view shows, for somebody to run in psql."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Table

from statscache.instants import write_instant, write_second
from statscache.query.frame import Frame
from statscache.query.statistics import schedule_of
from statscache.query.tables import Served

#: A name that needs no quotes.
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
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
    """Return a statement for PostgreSQL 14 or newer."""
    table: Table = frame.table.table
    step, zone, by = frame.step, _text(str(frame.view.zone)), frame.view.by
    keys = [_name(by)] if by else []
    columns = [f"""date_trunc('{step}', "timestamp", {zone}) AS {step}""", *keys]
    places = ", ".join(str(place) for place in range(1, len(columns) + 1))
    start, stop = (write_second(each) for each in (frame.periods[0].start, frame.periods[-1].stop))
    conditions = [f"\"timestamp\" >= '{start}'", f"\"timestamp\" < '{stop}'"]
    conditions += [f"{_name(column)} IN ({_texts(values)})" for column, values in frame.view.keys.items()]
    wanted = ", ".join([*columns, "sum(volume) AS volume"])
    where = "\n  AND ".join(conditions)
    return f"SELECT {wanted}\nFROM {_table(table)}\nWHERE {where}\nGROUP BY {places}\nORDER BY {places};"


def sql_of_rows(table: Served, start: datetime, stop: datetime, keys: Mapping[str, Sequence[str]]) -> str:
    """Return a statement for the rows of a table, each with whether it is complete."""
    seconds = schedule_of(table).seconds
    names = [_name(column.name) for column in table.table.primary_key if column.name != "timestamp"]
    conditions = [f"\"timestamp\" >= '{write_instant(start)}'", f"\"timestamp\" < '{write_instant(stop)}'"]
    conditions += [f"{_name(column)} IN ({_texts(values)})" for column, values in keys.items()]
    known = f"(SELECT complete FROM statscache_freshness WHERE table_name = {_text(table.table.fullname)})"
    window = f'tstzrange("timestamp", "timestamp" + interval \'{seconds} seconds\')'
    columns = ['"timestamp"', *names, "volume", f"coalesce({known} @> {window}, false) AS complete"]
    order = ", ".join(['"timestamp"', *names])
    where = " AND ".join(conditions)
    return f"SELECT {', '.join(columns)} FROM {_table(table.table)} WHERE {where} ORDER BY {order}"


def _table(table: Table) -> str:
    return ".".join(_name(name) for name in (table.schema, table.name) if name)


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
