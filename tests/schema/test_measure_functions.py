"""A table of measures has the functions that one of counts has, with figures that come together as their names say."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from statscache.database.lock import counting
from statscache.plugins import Message, measuring_model
from statscache.schema.bots import keep_bots
from statscache.schema.functions.create import create_functions
from statscache.span import Span
from statscache.store.coverage import cover
from tests.support.bench import Bench
from tests.support.measured import Sizes, Whole, body, exact

Make = Callable[..., Bench]
#: The start of a day in UTC.
START = 1_700_006_400
DAY = 86_400
BODIES = [
    body(
        number,
        START + 1800 * number,
        [[key, "decimal", f"{number - 70}.{key and ord(key) % 10}"] for key in keys],
    )
    for number in range(144)
    for keys in [random.Random(number).choice(["", "a", "ab", "abb"])]
]
Cell = tuple[int, Fraction, Fraction | None, Fraction | None]
NONE: Cell = (0, Fraction(), None, None)


class Payments(Sizes):
    name = "payments"
    model = measuring_model(
        "test_payments", "payments", person="payer", unit="euros", payer="who", what="what"
    )


@pytest.fixture
def bench(make_bench: Make) -> Bench:
    """A daemon that has measured three days, of which the second is complete."""
    bench = make_bench(Sizes, Whole, Payments)
    keep_bots(bench.engine, [])
    create_functions(bench.engine, bench.app.parts)
    for its in BODIES:
        bench.intake.accept(its)
    bench.flush()
    with counting(bench.engine) as connection:
        cover(connection, bench.app.plugins, Span(START + DAY, START + 2 * DAY))
    return bench


def merged(place: Callable[[int, str], Any]) -> dict[Any, Cell]:
    """Return the figures of the values of each place, which a second and a word have."""
    found: dict[Any, list[Fraction]] = {}
    for its in BODIES:
        for word, kind, value in its["msg"]["word"]:
            number = exact(kind, value)
            assert number is not None
            found.setdefault(place(int(its["timestamp"]), word), []).append(number)
    return {name: (len(its), sum(its, Fraction()), min(its), max(its)) for name, its in found.items()}


def cell(row: Mapping[str, Any]) -> Cell:
    figures = (row["sum"], row["least"], row["greatest"])
    assert all(its is None or "." not in str(its) or str(its)[-1] not in "0." for its in figures)
    count, *exact_ones = row["count"], *(None if its is None else Fraction(its) for its in figures)
    return (count, *exact_ones)  # type: ignore[return-value]


def ask(bench: Bench, question: str) -> list[Mapping[str, Any]]:
    return [row._mapping for row in bench.execute(question)]


def bounds(start: int = START, stop: int = START + 3 * DAY) -> str:
    return f"to_timestamp({start}), to_timestamp({stop})"


def test_a_series_has_every_window(bench: Bench) -> None:
    """A window without a value has a count and a sum of 0, and no least and no greatest value."""
    expected = merged(lambda second, word: second // 60 * 60)
    rows = ask(bench, f"SELECT * FROM test_whole_series({bounds(START, START + 7200)})")
    assert [(int(row["timestamp"].timestamp()), cell(row)) for row in rows] == [
        (second, expected.get(second, NONE)) for second in range(START, START + 7200, 60)
    ]
    one = ask(bench, f"SELECT * FROM test_sizes_series({bounds(START, START + 7200)}, 'a', 'decimal')")
    expected = merged(lambda second, word: (second // 60 * 60, word))
    assert [cell(row) for row in one] == [
        expected.get((second, "a"), NONE) for second in range(START, START + 7200, 60)
    ]


def test_the_greatest_are_those_with_the_greatest_sums(bench: Bench) -> None:
    """With keys these, without the windows."""
    expected = merged(lambda second, word: word)
    rows = ask(bench, f"SELECT * FROM test_sizes_top({bounds()})")
    assert {row["word"]: cell(row) for row in rows} == expected
    sums = [row["sum"] for row in rows]
    assert sums == sorted(sums, reverse=True)
    windows = ask(bench, f"SELECT * FROM test_whole_top({bounds()}, 5)")
    best = sorted((its[1] for its in merged(lambda second, word: second // 60).values()), reverse=True)
    assert [Fraction(row["sum"]) for row in windows] == best[:5]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_periods_of_a_zone(zone: str, bench: Bench) -> None:
    """Of all keys together, of one, and told apart; each says whether it is complete."""

    def day(second: int) -> Any:
        return datetime.fromtimestamp(second, ZoneInfo(zone)).date()

    question = f"SELECT * FROM test_sizes_periods({bounds()}, 'day', '{zone}'"
    rows = ask(bench, f"{question})")
    expected = merged(lambda second, word: day(second))
    assert {row["timestamp"].astimezone(ZoneInfo(zone)).date(): cell(row) for row in rows} == expected
    complete = [row["timestamp"].astimezone(UTC).timestamp() for row in rows if row["complete"]]
    assert complete == ([START + DAY] if zone == "UTC" else [])
    apart = ask(bench, f"{question}, by => '{{word}}')")
    both = merged(lambda second, word: (day(second), word))
    assert {
        (row["timestamp"].astimezone(ZoneInfo(zone)).date(), row["word"]): cell(row) for row in apart
    } == both
    none = ask(bench, f"{question}, 'no such word')")
    assert [cell(row) for row in none] == [NONE] * len(rows)


def test_people_who_are_measured_are_known(bench: Bench) -> None:
    """How many different ones there are; who did half of it is asked of counts alone."""
    rows = ask(bench, f"SELECT * FROM test_payments_distinct({bounds()})")
    assert [row["people"] for row in rows] == [2]
    [(half,)] = bench.execute("SELECT to_regproc('test_payments_half')")
    assert half is None


def test_a_figure_is_no_name_of_an_argument(bench: Bench, make_bench: Make) -> None:
    """Whatever the keys are called."""

    class Odd(Sizes):
        name = "odd"
        model = measuring_model("test_odd_sizes", "sizes", start="a", complete_="b")

        def process(self, message: Message) -> None:
            self.measure(message, 1, "x", "y")

    again = make_bench(Odd)
    create_functions(again.engine, again.app.parts)
    again.intake.accept(body("odd", START, []))
    again.flush()
    [row] = ask(again, f"SELECT * FROM test_odd_sizes_top({bounds()})")
    assert (row["start"], cell(row)) == ("x", (1, 1, 1, 1))
