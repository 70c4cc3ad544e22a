"""The columns of a table as the API gives them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Table, Text, case, cast, func
from sqlalchemy import types as sql

from statscache.instants import in_utc, write_instant
from statscache.messages.pseudonyms import readable
from statscache.plugins.keyed import PERSON

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CellType:
    """A kind of cell.

    :param schema: what a cell is in JSON
    :param to_json: turns what the database gives, which is not null, into that
    :param to_csv: turns it into what stands in a CSV cell
    """

    schema: dict[str, Any]
    to_json: Callable[[Any], Any]
    to_csv: Callable[[Any], Any]


@dataclass(frozen=True)
class Column:
    """A column of the answer.

    :param value: gives what to select for it, from the columns of the table or of a part of it
    """

    name: str
    kind: CellType
    value: Callable[[Any], ColumnElement[Any]]
    about: str
    nullable: bool

    @property
    def schema(self) -> dict[str, Any]:
        """What a cell is in JSON."""
        schema = {**self.kind.schema}
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
        return schema | ({"description": self.about} if self.about else {})


def micros(when: datetime) -> int:
    """Return the microseconds since 1970."""
    span = in_utc(when) - EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _epoch(when: datetime) -> int | float:
    whole, rest = divmod(micros(when), 1_000_000)
    return whole + rest / 1_000_000 if rest else whole


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


INSTANT = CellType({"type": "number"}, _epoch, write_instant)
INTEGER = CellType({"type": "integer"}, int, int)
NUMBER = CellType({"type": "number"}, _finite, str)
BOOLEAN = CellType({"type": "boolean"}, bool, lambda value: "true" if value else "false")
#: A number with all its digits, also where a double has fewer.
EXACT = CellType({"type": "number"}, Decimal, lambda value: f"{value:f}")
TEXT = CellType({"type": "string"}, str, str)
#: Somebody's name, unless that is forgotten.
NAME = CellType({"type": "string"}, readable, readable)
#: Whole numbers, of which a CSV cell has spaces between them.
INTEGERS = CellType(
    {"type": "array", "items": {"type": "integer"}}, list, lambda values: " ".join(map(str, values))
)
#: JSON as a text, and whatever else there is as PostgreSQL writes it.
WRITTEN = CellType({"type": "string"}, str, str)


def kind_of(type_: sql.TypeEngine[Any]) -> CellType:
    """Return the kind of a column's cells."""
    base = type_.impl_instance if isinstance(type_, sql.TypeDecorator) else type_
    if isinstance(base, ARRAY | sql.Enum) or isinstance(type_, sql.Interval):
        return WRITTEN
    for kinds, kind in (
        (sql.DateTime, INSTANT),
        (sql.Integer, INTEGER),
        (sql.Float, NUMBER),
        (sql.Numeric, EXACT if getattr(base, "asdecimal", False) else NUMBER),
        (sql.Boolean, BOOLEAN),
        (sql.String, TEXT),
    ):
        if isinstance(base, kinds):
            return kind
    return WRITTEN


def column_of(column: Any, name: str = "") -> Column:
    """Return a table's column as the API gives it.

    :param name: what it is called there, if not as in the table
    """
    kind = kind_of(column.type)
    if kind is TEXT and column.info.get(PERSON):
        kind = NAME
    name = name or column.name

    def value(columns: Any) -> ColumnElement[Any]:
        return (cast(columns[name], Text) if kind is WRITTEN else columns[name]).label(name)

    return Column(name, kind, value, column.comment or "", bool(column.nullable) or kind in (NUMBER, EXACT))


def columns_of_log(table: Table) -> Iterable[Column]:
    """Yield a log's columns; the state comes as JSON in a text, and is sure to have a status that is a text."""
    for column in table.columns:
        if column.name != "message":
            yield column_of(column)
    about = "the state as JSON: an object that has at least a status"
    yield Column("message", WRITTEN, _state, about, False)
    about = "the status in the state, '' if it has none"
    yield Column("status", TEXT, lambda columns: _status(columns).label("status"), about, False)


def _status(columns: Any) -> Any:
    return func.coalesce(columns.message["status"].astext, "")


def _state(columns: Any) -> Any:
    """Return the state as a text, with a status that is a text."""
    state, status = columns.message, _status(columns)
    whole = case(
        (func.jsonb_typeof(state) != "object", state),
        (func.coalesce(func.jsonb_typeof(state["status"]), "") == "string", state),
        else_=func.jsonb_set(state, cast(["status"], ARRAY(Text)), func.to_jsonb(status)),
    )
    return cast(whole, Text).label("message")


def _never(columns: Any) -> ColumnElement[Any]:
    raise AssertionError("whether a row is complete is no column of its table")


#: What is added to each row where that is asked for.
COMPLETE = Column("complete", BOOLEAN, _never, "whether no message is missing in it", False)
VERIFIED = Column(
    "verified", INSTANT, _never, "since when it is known to agree with an archive, null if it is not", True
)
VERSIONS = Column(
    "versions", INTEGERS, _never, "by which versions of the plugin it was counted, or may have been", False
)
ADDED = (COMPLETE, VERIFIED, VERSIONS)
