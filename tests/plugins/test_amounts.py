"""A plugin may count amounts, and says which of its keys names a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.errors import Unstorable
from statscache.plugins import CountingPlugin, Message, counting_model
from statscache.plugins.counting import Weighted, summed
from statscache.plugins.keyed import person_of
from tests.support.bench import Bench, Good

Make = Callable[..., Bench]


class Amounts(CountingPlugin):
    """Counts as much as a message's word says."""

    name = summary = description = "amounts"
    model = counting_model("test_amounts", "amounts by agent", person="agent", agent="who", kind="what")

    def process(self, message: Message) -> None:
        amount = message["msg"]["word"]
        self.count(message, "ann", "once")
        self.count(message, "ann", "all", amount=amount)


ROWS = st.tuples(st.integers(0, 3), st.sampled_from("ab"))


@given(st.lists(st.one_of(ROWS, st.builds(Weighted, ROWS, st.integers(1, 2**40)))))
def test_amounts_add_up_with_what_counts_once(items: list[Any]) -> None:
    expected: Counter[Any] = Counter()
    for item in items:
        row, amount = item if isinstance(item, Weighted) else (item, 1)
        expected[row] += amount
    assert summed(items) == expected


def test_amounts_are_added_exactly(make_bench: Make) -> None:
    bench = make_bench(Amounts)
    bench.accept(1, 2**40, 7)
    bench.flush()
    bench.accept(2**40 - 1, 1)
    bench.flush()
    rows = bench.execute("SELECT agent, kind, volume FROM test_amounts ORDER BY kind")
    assert rows == [("ann", "all", 2**41 + 8), ("ann", "once", 5)]


@pytest.mark.parametrize("amount", [0, -1, 2**40 + 1, True, 1.0, "1", None, [1]])
def test_no_other_amount_counts(make_bench: Make, amount: Any) -> None:
    bench = make_bench(Amounts, Good)
    bench.accept(amount)
    bench.flush()
    assert bench.execute("SELECT volume FROM test_amounts") == []
    ((error,),) = bench.execute("SELECT error FROM statscache_quarantine WHERE plugin = 'amounts'")
    assert "an amount must be a whole number from 1 to 1099511627776, not" in error


def test_a_wrong_number_of_keys_is_told_at_once(make_bench: Make) -> None:
    plugin = make_bench(Amounts).app.parts[0].plugin
    with pytest.raises(TypeError, match="count takes the keys of test_amounts, agent, kind, and got 1"):
        plugin.count(Message({"topic": "a", "msg": {}, "timestamp": 1, "msg_id": "1"}, None), "ann", amount=2)  # type: ignore[arg-type]


def test_a_key_that_names_a_person_is_known() -> None:
    assert person_of(Amounts.model) == "agent"
    assert person_of(Good.model) is None
    with pytest.raises(ValueError, match="person must name one of the keys of test_p, agent, and not 'user'"):
        counting_model("test_p", "amounts", person="user", agent="who")


def test_an_amount_does_not_pass_for_a_key(make_bench: Make) -> None:
    with pytest.raises(Unstorable, match="an amount must be"):
        make_bench(Amounts).app.parts[0].plugin.count(
            Message({"topic": "a", "msg": {}, "timestamp": 1, "msg_id": "1"}, None),
            "ann",
            "all",
            amount="x",  # type: ignore[arg-type]
        )
