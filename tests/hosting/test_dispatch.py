"""Which plugin is handed which message: only of the topics it wants, and one of those that count alike for all."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from statscache.hosting import dispatch as dispatch
from statscache.plugins import Message, counting_model
from tests.support.bench import Bad, Bench, Good, Keeper, Other, fail


class Minutes(Good):
    alike = True
    seen = 0

    def process(self, message: Message) -> None:
        Minutes.seen += 1
        self.count(message, "first")
        self.count(message, message["msg"]["word"])


class Alike(Minutes):
    name = "other"
    model = Other.model


class Failing(Minutes):
    name = "bad"
    model = Bad.model

    def update(self, session: object) -> None:
        super().update(session)  # type: ignore[arg-type]
        fail(session)


class Apart(Minutes):
    """Counts as the others do, but in its own way."""

    name = "apart"
    model = counting_model("test_apart", "messages by their word", word="the word")

    def process(self, message: Message) -> None:
        self.count(message, "x")


class Choosy(Minutes):
    """Counts as the others do, but only some topics."""

    name = "choosy"
    model = counting_model("test_choosy", "messages of some topics by their word", word="the word")
    topics = re.compile("nothing has this topic")


def test_who_wants_other_topics_counts_those(make_bench: Callable[..., Bench]) -> None:
    """Whichever comes first: what one does not want is not kept from the other, nor forced on it."""
    for number, plugins in enumerate([(Minutes, Choosy), (Choosy, Minutes)], start=1):
        bench = make_bench(*plugins)
        bench.send(str(number))
        bench.flush()
        assert volumes_of(bench, "good", "choosy") == [2 * number, 0]


def test_one_is_called_for_all(make_bench: Callable[..., Bench]) -> None:
    """Each has what was counted; one that fails to write it costs the others nothing, as ever."""
    bench = make_bench(Minutes, Alike, Failing, Apart)
    Minutes.seen = 0
    bench.accept("a", "b")
    assert Minutes.seen == 2
    bench.flush()
    assert volumes_of(bench, "good", "other", "bad", "apart") == [4, 4, 0, 2]
    assert len(bench.quarantined("bad")) == 2


def test_what_one_refuses_all_refuse(make_bench: Callable[..., Bench]) -> None:
    """Nothing of the message stays in the queue, and it is in the quarantine for each of them."""
    bench = make_bench(Minutes, Alike, Apart)
    bench.accept("a", ["no key"], "b")
    bench.flush()
    assert volumes_of(bench, "good", "other", "apart") == [4, 4, 3]
    assert bench.quarantined("good") == bench.quarantined("other") == ["2"]
    assert bench.quarantined("apart") == []


def test_when_the_first_is_suspended_the_next_is_called(make_bench: Callable[..., Bench]) -> None:
    """No plugin depends on another's health."""
    bench = make_bench(Minutes, Alike)
    bench.app.suspensions.suspend("good", "as the test says")
    for word in "abc":
        bench.accept(word)
        bench.flush()
    assert volumes_of(bench, "good", "other") == [0, 6]
    assert bench.retry("good") == 3
    bench.accept("d")
    bench.flush()
    bench.accept("e")
    bench.flush()
    assert volumes_of(bench, "good", "other") == [10, 10]


def volumes_of(bench: Bench, *names: str) -> list[int]:
    return [bench.volume(f"test_{name}") for name in names]


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
