"""Plugins that say which topics they want get no others."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from statscache.hosting import dispatch as dispatch
from tests.bench import Bad, Bench, Good, Keeper, Other


class Picky(Good):
    name = "bad"
    model = Bad.model
    topics = re.compile(r"^a\.b")


class PickyKeeper(Keeper):
    topics = re.compile(r"\.wanted$")


def send(bench: Bench, *topics: str) -> None:
    for topic in topics:
        bench.sent += 1
        bench.intake.accept(
            {"topic": topic, "msg": {"word": topic}, "timestamp": 30, "msg_id": str(bench.sent)}
        )
    bench.flush()


@pytest.mark.parametrize("remembered", [4096, 1])
def test_a_plugin_gets_the_topics_it_wants(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    """However it is run, and however many topics there are."""
    monkeypatch.setattr(dispatch, "TOPICS", remembered)
    bench = make_bench(Picky, PickyKeeper, Other)
    for _ in range(2):
        send(bench, "a.b", "a.b.wanted", "c.wanted", "xa.b", "a.b")
    assert bench.volume("test_bad") == 6
    assert bench.volume("test_keeper") == 4
    assert bench.volume("test_other") == 10


def test_a_suspended_plugin_gets_none_and_then_its_own_again(make_bench: Callable[..., Bench]) -> None:
    """What is remembered of topics changes with it."""
    bench = make_bench(Picky, Other)
    send(bench, "a.b", "c")
    bench.app.suspensions.suspend("bad", "as the test says")
    send(bench, "a.b", "c")  # whose cut leaves it out from now on
    send(bench, "a.b", "c")
    assert (bench.volume("test_bad"), len(bench.quarantined("bad"))) == (1, 2)
    assert bench.retry("bad") == 2
    send(bench, "a.b", "c")
    send(bench, "a.b", "c")
    assert (bench.volume("test_bad"), bench.volume("test_other")) == (5, 10)
