"""Orders of rows, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, Row, Text, and_, cast, literal, or_, tuple_

from statscache.instants import EARLIEST, LATEST
from statscache.query.columns import EPOCH, EXACT, INSTANT, TEXT, micros
from statscache.query.cursors import Cursor, Side, texts_of
from statscache.query.tables import Key

#: Begins the names of the columns in which statements give what rows are ordered by.
PREFIX = "order_"


def ordering(expressions: Sequence[Any], keys: Sequence[Key], backward: bool) -> list[ColumnElement[Any]]:
    """Return what to order by, from the end where `backward`."""
    pairs = zip(expressions, keys, strict=True)
    return [each.desc() if key.descending != backward else each.asc() for each, key in pairs]


def beyond(keys: Sequence[Key], place: Cursor, backward: bool) -> ColumnElement[bool]:
    """Return the condition for what comes after a place; before it where `backward`."""
    values = _values(keys, place)
    if len({key.descending for key in keys}) == 1:
        left, right = tuple_(*(key.expression for key in keys)), tuple_(*values)
        return left < right if keys[0].descending != backward else left > right
    alternatives = []
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        same = [earlier.expression == its for earlier, its in zip(keys[:index], values, strict=False)]
        less = key.descending != backward
        alternatives.append(and_(*same, key.expression < value if less else key.expression > value))
    return or_(*alternatives)


def within(keys: Sequence[Key], place: Cursor, backward: bool) -> ColumnElement[bool]:
    """Return the condition for what comes after a place or has the same first key; before it where `backward`."""
    first: ColumnElement[Any] = keys[0].expression
    value = _values(keys, place)[0]
    return first <= value if keys[0].descending != backward else first >= value


def place_of(row: Row[Any], keys: Sequence[Key], side: Side, section: int, seen: int) -> Cursor:
    """Return the place of a row."""
    values = [getattr(row, f"{PREFIX}{index}") for index in range(len(keys))]
    numbers = [_number(key, value) for key, value in zip(keys, values, strict=True) if key.is_number]
    texts = [str(value) for key, value in zip(keys, values, strict=True) if not key.is_number]
    return Cursor(side, section, seen, tuple(numbers), tuple(texts))


def _number(key: Key, value: Any) -> int:
    return micros(value) if key.kind is INSTANT else int(value)


def _values(keys: Sequence[Key], place: Cursor) -> list[ColumnElement[Any]]:
    numbers = iter(place.numbers)
    texts = iter(texts_of(place, len(keys)))
    return [_value(key, next(numbers) if key.is_number else next(texts)) for key in keys]


def _value(key: Key, value: Any) -> ColumnElement[Any]:
    if key.kind is INSTANT:
        try:
            when = EPOCH + timedelta(microseconds=value)
        except OverflowError:
            when = EARLIEST if value < 0 else LATEST
        aware = getattr(key.expression.type, "timezone", True)
        return literal(when if aware else when.replace(tzinfo=None), key.expression.type)
    if key.is_number:
        return literal(value, BigInteger)
    if key.kind is EXACT:
        return literal(_decimal(value), Numeric)
    text = literal(value, Text)
    return text if key.kind is TEXT else cast(text, key.expression.type)


def _decimal(text: str) -> Decimal:
    """Return the number that a text is, 0 for any other text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
