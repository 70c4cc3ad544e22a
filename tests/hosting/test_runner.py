"""How a plugin is run: as one that only queues, or as one with state of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statscache.hosting.runner import QueuedRunner, StatefulRunner, make_runner
from statscache.messages.pseudonyms import Pseudonyms
from tests.support.bench import Bad, Bench, Good, Keeper, Other
from tests.support.refusing import Stateful, forget_troubles, rows, suspended, words

MakeBench = Callable[..., Bench]


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugins that can fail do not, until a test says so."""
    forget_troubles()


def test_our_kinds_are_processed_at_the_intake_and_all_others_before_their_update(bench: Bench) -> None:
    """A plugin that says it only queues is run as such, one with state of its own never."""
    kinds = [type(make_runner(Bench._part(kind), Pseudonyms())) for kind in (Good, Bad, Keeper, Other)]
    assert kinds == [QueuedRunner, QueuedRunner, StatefulRunner, QueuedRunner]

    class Claims(Good):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.seen: set[str] = set()

    assert type(make_runner(Bench._part(Claims), Pseudonyms())) is StatefulRunner


def test_a_stateful_plugin_that_is_refused_a_message_gets_the_others_anew(make_bench: MakeBench) -> None:
    """What its `process` has left half done is gone with the old instance, and no other message is lost or doubled."""
    Stateful.bad_process = {"bad"}
    bench = make_bench(Stateful)
    bench.accept("a", "bad", "b", "bad", "a")
    bench.flush()
    assert words(bench, "test_stateful") == {"a": 2, "b": 1}
    assert bench.quarantined("stateful") == ["2", "4"]
    bench.accept("a")
    bench.flush()
    assert words(bench, "test_stateful") == {"a": 3, "b": 1}


def test_a_plugin_that_cannot_be_made_anew_is_suspended(make_bench: MakeBench) -> None:
    """If after a failure its constructor raises, the others go on, and it counts when it can be made again."""
    Stateful.poison = {"bad"}
    bench = make_bench(Stateful, Other)
    Stateful.broken_make = OSError("no such device")
    for word in ("bad", "a", "b", "c", "d", "e"):
        bench.accept(word)
        bench.flush()
    assert bench.volume("test_other") == 6
    assert suspended(bench, "stateful")
    assert "no such device" in rows(bench)[-2].error
    Stateful.poison, Stateful.broken_make = set(), None
    assert bench.retry("stateful") == 6
    assert words(bench, "test_stateful") == dict.fromkeys(["bad", "a", "b", "c", "d", "e"], 1)
