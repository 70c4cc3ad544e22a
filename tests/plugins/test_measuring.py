"""A plugin may measure: how many values there are, their sum, and the least and the greatest of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect

from statscache.hosting.dispatch import Recipient
from statscache.hosting.runner import only_upserts
from statscache.plugins import Message, Schedule, measuring_model
from statscache.plugins.keyed import person_of
from tests.support.bench import Bench, Good
from tests.support.measured import Body, Sizes, Whole, body, check, exact, expected, kept

Make = Callable[..., Bench]
NUMBERS = count()

FINE = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))
INTS = st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-5, 5)
#: Values that count: a plugin that fails for many messages is suspended.
VALUES = st.one_of(
    INTS.map(lambda value: ("int", str(value))),
    (st.floats(1e-9, 1e38) | FINE).map(lambda value: ("float", repr(value))),
    (st.decimals(-(10**12), 10**12, places=9) | st.decimals()).map(lambda value: ("decimal", str(value))),
    (st.integers(-9, 9) | FINE).map(lambda value: ("json", value)),
).filter(lambda its: exact(*its) is not None)
KEYED = st.tuples(st.sampled_from(["a", "b", 'Ω\\",{}']), VALUES).map(lambda its: [its[0], *its[1]])
SENT = st.tuples(st.integers(0, 200), st.lists(KEYED, max_size=4))


def message(value: Any = 1) -> Message:
    """Return a message."""
    return Message({"topic": "a", "msg": {}, "timestamp": 1, "msg_id": "1"}, None)  # type: ignore[arg-type]


def deliver(benches: Sequence[Bench], bodies: Sequence[Body], chance: random.Random) -> None:
    """Send messages in any order, some twice, to any of the daemons, which flush now and then."""
    twice = [*bodies, *chance.sample(bodies, len(bodies) // 3)]
    chance.shuffle(twice)
    for its in twice:
        for bench in chance.sample(benches, chance.randint(1, len(benches))):
            bench.intake.accept(its)
        if chance.random() < 0.15:
            chance.choice(benches).flush()
    for bench in benches:
        bench.flush()


def test_every_cell_is_exact_whatever_comes_in_whatever_order(make_bench: Make) -> None:
    """Values of all kinds, shuffled, doubled, split over flushes and over two daemons."""
    benches = [make_bench(Sizes, Whole) for _ in range(2)]

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.lists(SENT, max_size=20), st.integers(0))
    def compare(sent: list[tuple[int, list[Any]]], seed: int) -> None:
        chance = random.Random(seed)
        benches[0].execute(
            "TRUNCATE test_sizes, test_whole, statscache_quarantine, statscache_quarantine_body"
        )
        bodies = [body(next(NUMBERS), second + 0.25, values) for second, values in sent]
        deliver(benches[: chance.randint(1, 2)], bodies, chance)
        check(benches[0], bodies)

    compare()


def test_daemons_that_measure_side_by_side_lose_nothing(make_bench: Make) -> None:
    """Four of them write the same rows at once, each with keys in an order of its own."""
    benches = [make_bench(Sizes, Whole) for _ in range(4)]
    words = [str(number) for number in range(30)]
    bodies: list[list[Body]] = [[] for _ in benches]

    def work(index: int) -> None:
        chance = random.Random(index)
        for turn in range(15):
            chance.shuffle(words_of := list(words))
            values = [[word, "float", repr(round(chance.uniform(-9, 9), 4))] for word in words_of]
            bodies[index].append(body(f"{index} {turn}", turn, values))
            benches[index].intake.accept(bodies[index][-1])
            benches[index].flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    check(benches[0], [its for each in bodies for its in each])
    assert benches[0].execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ) == [(0,)]


def test_measures_go_with_the_commit(make_bench: Make) -> None:
    """So the rows that all daemons write are locked for one round trip."""
    assert only_upserts(make_bench(Sizes).app.parts[0].plugin)


def test_a_value_that_does_not_count_fails_alone(make_bench: Make) -> None:
    """Nothing of its message counts for this plugin; all else does, and the quarantine has the reason."""
    bench = make_bench(Sizes, Good)
    for number, value in enumerate((1, True, 2)):
        bench.intake.accept(body(number, 1, [["a", "json", 5], ["a", "json", value]]))
    bench.flush()
    assert kept(bench.engine) == {(0, "a", "json"): (4, 13, 1, 5)}
    [(error,)] = bench.execute("SELECT error FROM statscache_quarantine WHERE plugin = 'sizes'")
    assert error == "Unstorable: a value must be an int, a float or a Decimal, not True"


def test_a_row_that_the_table_refuses_is_narrowed_to_its_message(make_bench: Make) -> None:
    """The others of the same flush count, also those under the same keys."""
    bench = make_bench(Sizes)
    bench.execute("ALTER TABLE test_sizes ADD CHECK (word <> 'bad')")
    bodies = [body(n, 1, [["a", "int", "1"], ["bad" if n == 2 else "b", "int", "2"]]) for n in range(4)]
    for its in bodies:
        bench.intake.accept(its)
    bench.flush()
    assert kept(bench.engine) == expected([*bodies[:2], bodies[3]])
    assert bench.quarantined("sizes") == ["m2"]
    bench.execute("ALTER TABLE test_sizes DROP CONSTRAINT test_sizes_word_check")
    assert bench.retry("sizes") == 1
    check_sizes(bench, bodies)


def check_sizes(bench: Bench, bodies: Sequence[Body]) -> None:
    assert kept(bench.engine) == expected(bodies)
    assert bench.quarantined("sizes") == []


def test_sums_have_room_for_any_number_of_values(make_bench: Make) -> None:
    """Nothing overflows, and no digit is lost where the sum has more of them than a value may have."""
    bench = make_bench(Sizes, Whole)
    most = "9" * 29 + "." + "9" * 9
    bodies = [
        body(n, 1, [["a", "decimal", most]] * 100 + [["a", "decimal", "0.000000001"]] * (n == 7))
        for n in range(100)
    ]
    for its in bodies:
        bench.intake.accept(its)
    bench.flush()
    check(bench, bodies)


def test_the_columns_say_what_they_are(make_bench: Make) -> None:
    """With their unit, where there is one; and the person, where a key names one."""
    bench = make_bench(Sizes, Whole)
    columns = {column["name"]: column for column in inspect(bench.engine).get_columns("test_sizes")}
    assert [(name, str(its["type"]), its["nullable"]) for name, its in columns.items()] == [
        ("timestamp", "TIMESTAMP", False),
        ("word", "TEXT", False),
        ("kind", "TEXT", False),
        ("count", "BIGINT", False),
        ("sum", "NUMERIC", False),
        ("least", "NUMERIC", False),
        ("greatest", "NUMERIC", False),
    ]
    assert [columns[name]["comment"] for name in ("count", "sum", "least", "greatest")] == [
        "how many values",
        "the sum of the values, in bytes",
        "the least value, in bytes",
        "the greatest value, in bytes",
    ]
    whole = {column["name"]: column["comment"] for column in inspect(bench.engine).get_columns("test_whole")}
    assert whole["sum"] == "the sum of the values"
    assert person_of(measuring_model("test_payer", "payments", person="payer", payer="who")) == "payer"


def test_a_model_has_each_column_once() -> None:
    """A key that would hide a figure is refused, and a person who is no key."""
    with pytest.raises(ValueError, match="no key of test_x can be called 'sum'"):
        measuring_model("test_x", "sizes", sum="the sum")
    with pytest.raises(ValueError, match="person must name one of the keys of test_x, who, and not 'agent'"):
        measuring_model("test_x", "sizes", person="agent", who="who")


def test_a_wrong_number_of_keys_is_told_at_once(make_bench: Make) -> None:
    """By the names of the keys."""
    plugin = make_bench(Sizes).app.parts[0].plugin
    with pytest.raises(TypeError, match="measure takes the keys of test_sizes, word, kind, and got 1"):
        plugin.measure(message(), 1, "a")


def test_plugins_that_are_alike_are_asked_once() -> None:
    """A message is measured once for windows of all lengths."""

    class Minutes(Sizes):
        alike = True

    class Hours(Minutes):
        interval = timedelta(hours=1)

    one, two = (Recipient(kind.name, kind(Schedule(timedelta(minutes=1)), {})) for kind in (Minutes, Hours))
    assert one.family is not None
    assert one.family == two.family
    assert Recipient("sizes", Sizes(Schedule(timedelta(minutes=1)), {})).family is None
