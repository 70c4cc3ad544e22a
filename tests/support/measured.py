"""Plugins that measure, and what their tables must hold, worked out in plain Python.

A message's word is a list of values with their keys: the key, what the value is (`int`, `float` or `decimal`, or `json`
for what JSON says), and the value, as a text unless it is JSON's.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Engine, text

from statscache.plugins import MeasuringPlugin, Message, measuring_model
from tests.support.bench import Bench

KINDS: dict[str, Any] = {"int": int, "float": float, "decimal": Decimal, "json": lambda value: value}
Body = dict[str, Any]
#: How many, the sum, the least and the greatest.
Cell = tuple[int, Fraction, Fraction, Fraction]


class Sizes(MeasuringPlugin):
    name = summary = description = "sizes"
    model = measuring_model(
        "test_sizes", "sizes by word and kind", unit="bytes", word="the word", kind="what"
    )

    def process(self, message: Message) -> None:
        for key, kind, value in message["msg"]["word"]:
            self.measure(message, KINDS[kind](value), key, kind)


class Whole(MeasuringPlugin):
    """Measures without a key."""

    name = summary = description = "whole"
    model = measuring_model("test_whole", "sizes")

    def process(self, message: Message) -> None:
        for _, kind, value in message["msg"]["word"]:
            self.measure(message, KINDS[kind](value))


def body(number: Any, second: float, values: list[Any]) -> Body:
    """Return a message of a second."""
    return {"topic": "a.b.c.d", "msg": {"word": values}, "timestamp": second, "msg_id": f"m{number}"}


def exact(kind: str, value: Any) -> Fraction | None:
    """Return what a value is exactly, None for one that does not count."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if kind == "float" or isinstance(value, float):
        value = repr(float(value))
    try:
        plain = f"{Decimal(value):f}"
    except (ValueError, ArithmeticError):
        return None
    whole, _, rest = plain.lstrip("+-").partition(".")
    rest = rest.rstrip("0")
    if not (whole + rest).isdecimal() or len(rest) > 9 or len((whole + rest).lstrip("0")) > 38:
        return None
    return Fraction(plain)


def refused(body: Body) -> bool:
    """Return whether a message has a value that does not count, so that nothing of it does."""
    return any(exact(kind, value) is None for _, kind, value in body["msg"]["word"])


def expected(bodies: Iterable[Body], keyed: bool = True, length: int = 60) -> dict[Any, Cell]:
    """Return what the table must hold after messages, each given once: by (window, word, kind) or by (window,)."""
    found: dict[Any, list[Fraction]] = {}
    for its in bodies:
        for word, kind, value in [] if refused(its) else its["msg"]["word"]:
            number = exact(kind, value)
            assert number is not None
            start = int(its["timestamp"] // length * length)
            found.setdefault((start, word, kind) if keyed else (start,), []).append(number)
    return {row: (len(its), sum(its, Fraction()), min(its), max(its)) for row, its in found.items()}


def kept(engine: Engine, keyed: bool = True) -> dict[Any, Cell]:
    """Return what the table holds."""
    table, names = ("test_sizes", "word, kind, ") if keyed else ("test_whole", "")
    query = (
        f"SELECT extract(epoch FROM timestamp)::bigint, {names}count, sum::text, least::text, greatest::text "
        f"FROM {table}"
    )
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    return {
        tuple(row[:-4]): (row[-4], Fraction(row[-3]), Fraction(row[-2]), Fraction(row[-1])) for row in rows
    }


def check(bench: Bench, bodies: Iterable[Body]) -> None:
    """Make sure that both tables are as they should be, and what was refused is in the quarantine, and no more.

    No figure has a zero that says nothing.
    """
    bodies = list(bodies)
    assert kept(bench.engine) == expected(bodies)
    assert kept(bench.engine, keyed=False) == expected(bodies, keyed=False)
    figures = ", ".join(f"min_scale({name}) <> scale({name})" for name in ("sum", "least", "greatest"))
    assert bench.execute(f"SELECT * FROM test_sizes WHERE true IN ({figures})") == []
    bad = sorted(its["msg_id"] for its in bodies if refused(its))
    assert sorted(bench.quarantined("sizes")) == sorted(bench.quarantined("whole")) == bad
