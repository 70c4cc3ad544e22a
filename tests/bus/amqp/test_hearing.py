"""What markers and looks at empty queues say of the time that was heard."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from twisted.internet.defer import Deferred, succeed

from statscache.bus.amqp.connection import Channels
from statscache.bus.amqp.hearing import Hearing
from statscache.bus.amqp.markers import HEADER, marker_of
from statscache.bus.watermark import SETTLE, Watermark
from statscache.span import Span
from tests.support.clock import NOON, Machine

LATENESS = 2


class Queues:
    """The queues of a broker as channels show them, from which nothing comes by itself."""

    def __init__(self, *names: str) -> None:
        self.sent: dict[str, list[pika.BasicProperties]] = {name: [] for name in names}
        self.count = dict.fromkeys(names, 0)
        self.consumers = 1
        self.asked: list[str] = []
        self.confirms = True
        #: What all are told who ask, once it fires; None for what is so.
        self.answers: Deferred[Any] | None = None

    def basic_publish(self, exchange: str, name: str, body: bytes, properties: Any) -> Deferred[None]:
        assert (exchange, body) == ("", b"")
        self.sent[name].append(properties)
        return succeed(None) if self.confirms else Deferred()

    def queue_declare(self, name: str, passive: bool) -> Deferred[Any]:
        assert passive
        self.asked.append(name)
        if self.answers is not None:
            own: Deferred[Any] = Deferred()
            self.answers.addCallback(lambda told: (own.callback(told), told)[1])
            return own
        answer = SimpleNamespace(message_count=self.count[name], consumer_count=self.consumers)
        return succeed(SimpleNamespace(method=answer))


class Place:
    """A hearing that is open, and what it reports to."""

    def __init__(self, *names: str, publishes: bool = True, in_turn: Sequence[str] = ()) -> None:
        self.machine = Machine()
        self.watermark = Watermark(self.machine.clocks)
        self.queues = Queues(*names)
        self.hearing = Hearing(names, "broker")
        self.in_turn = frozenset(in_turn)
        self.hearing.start(self.watermark)
        self.position = 0
        self.open(publishes)

    def open(self, publishes: bool = True) -> None:
        names = {name: name for name in self.queues.sent}
        publishing = self.queues if publishes else None
        self.hearing.opened(Channels(self.queues, publishing, names, in_turn=self.in_turn))

    def tick(self, times: int = 1, idle: bool = False) -> None:
        for _ in range(times):
            self.machine.now += 1
            self.hearing.tick(self.position, idle)

    def back(self, name: str) -> None:
        marker = marker_of(self.queues.sent[name].pop(0))
        assert marker
        self.hearing.came(name)
        self.hearing.back(name, marker, lambda: self.position)

    def claim(self) -> Span | None:
        return self.watermark.claim(self.position, LATENESS)


def test_a_marker_that_is_back_shows_that_all_before_it_has_come() -> None:
    """However long it took: what counts is when it was sent."""
    place = Place("a")
    place.tick(20)
    assert place.claim() is None
    place.machine.now += 1000
    for number in range(20):
        place.back("a")
        place.position = number
        claim = place.claim()
        stop = int(NOON) + 1 + number - LATENESS
        assert claim == (Span(int(NOON + SETTLE) + 1, stop) if stop > NOON + SETTLE + 1 else None)


def test_what_was_heard_is_what_all_queues_have() -> None:
    """The slowest decides."""
    place = Place("a", "b")
    place.tick(30)
    for _ in range(30):
        place.back("a")
    assert place.claim() is None
    for _ in range(20):
        place.back("b")
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 20 - LATENESS)


def test_a_marker_that_is_missing_begins_a_new_span(caplog: pytest.LogCaptureFixture) -> None:
    """As messages may be missing with it, and nobody knows which."""
    place = Place("a")
    place.tick(20)
    for _ in range(10):
        place.back("a")
    assert place.claim()
    place.queues.sent["a"].pop(0)
    place.back("a")
    assert "markers of a of broker are missing" in caplog.text
    assert place.claim() is None
    place.tick(20)
    while place.queues.sent["a"]:
        place.back("a")
    assert place.claim() == Span(int(NOON + 20 + SETTLE) + 1, int(NOON) + 40 - LATENESS)


def test_markers_of_another_channel_say_nothing() -> None:
    """Nor do those of another daemon, or a header that only looks like one."""
    place = Place("a")
    place.tick(20)
    old = place.queues.sent["a"][:]
    place.hearing.closed()
    assert place.watermark.missing
    place.open()
    place.queues.sent["a"] = old
    while place.queues.sent["a"]:
        place.back("a")
    assert place.claim() is None
    for value in ("", "x", " 1", "a -1", "a 99999999999999999999999", "a 1"):
        marker = marker_of(pika.BasicProperties(headers={HEADER: value}))
        assert marker
        place.hearing.back("a", marker, lambda: 0)
    assert marker_of(pika.BasicProperties(headers={HEADER: 7})) is None
    assert marker_of(pika.BasicProperties()) is None


def test_few_markers_are_under_way_while_nothing_comes() -> None:
    """They would fill the queue while the database is away for days."""
    place = Place("a")
    place.tick(5000)
    assert len(place.queues.sent["a"]) == 600


def test_where_nothing_may_be_published_empty_queues_show_it() -> None:
    """Two looks in a row, with our consumer in each queue."""
    place = Place("a", publishes=False)
    place.tick(20)
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 19 - LATENESS)
    place.queues.count["a"] = 1
    place.tick(20)
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 19 - LATENESS)
    place.queues.count["a"], place.queues.consumers = 0, 0
    place.tick(20)
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 19 - LATENESS)
    place.queues.consumers = 1
    place.tick(2)
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 61 - LATENESS)
    assert not place.queues.sent["a"]


def test_what_others_consume_too_is_not_covered(caplog: pytest.LogCaptureFixture) -> None:
    """A marker comes past what they have got, and keep. Once they are gone a new span begins."""
    place = Place("a")
    place.tick(20)
    place.queues.consumers = 2
    for _ in range(20):
        place.back("a")
    assert place.claim() is None
    assert caplog.text.count("others consume our queues") == 1
    place.queues.consumers = 1
    place.tick(20)
    for _ in range(20):
        place.back("a")
    assert place.claim() == Span(int(NOON + 20 + SETTLE) + 1, int(NOON) + 40 - LATENESS)


def test_a_queue_that_does_not_answer_who_consumes_it_says_nothing() -> None:
    """As one without a leader, in which not even we are."""
    place = Place("a")
    place.tick(20)
    place.queues.consumers = 0
    for _ in range(19):
        place.back("a")
    assert place.claim() is None
    place.queues.consumers = 1
    place.back("a")
    assert place.claim() == Span(int(NOON + SETTLE) + 1, int(NOON) + 20 - LATENESS)


def test_of_a_queue_that_one_at_a_time_consumes_others_do_not_matter() -> None:
    """They are in wait, and get nothing."""
    place = Place("a", in_turn=["a"])
    place.queues.consumers = 2
    for _ in range(20):
        place.tick()
        place.back("a")
    assert place.claim() == Span(int(NOON + 1 + SETTLE) + 1, int(NOON) + 20 - LATENESS)


def test_a_marker_says_nothing_where_what_came_before_it_found_no_room() -> None:
    """Which comes again by the next connection, behind this marker."""
    place = Place("a", in_turn=["a"])
    place.tick(20)
    for properties in place.queues.sent["a"]:
        marker = marker_of(properties)
        assert marker
        place.hearing.back("a", marker, lambda: None)
    assert place.claim() is None


def test_how_many_messages_wait_is_known_as_soon_as_queues_are_consumed() -> None:
    """Of each queue, by its name and the broker's."""
    place = Place("a", "")
    place.queues.count = {"a": 12345, "": 7}
    assert place.hearing.waiting == {}
    place.tick()
    assert place.hearing.waiting == {"a of broker": 12344, "a queue without a name of broker": 6}


def test_markers_do_not_wait_unless_the_broker_has_not_taken_them() -> None:
    """One that a broker without room has not read is not in the queue."""
    place = Place("a")
    place.tick(20)
    place.queues.confirms = False
    place.tick(5)
    place.queues.count["a"] = 30
    place.tick(5)
    assert place.hearing.waiting == {"a of broker": 10}
    for _ in range(15):
        place.back("a")
    assert place.hearing.waiting == {"a of broker": 25}
    place.queues.count["a"] = 3
    place.back("a")
    assert place.hearing.waiting == {"a of broker": 0}


def test_a_queue_is_asked_for_every_few_seconds_while_its_markers_are_long_in_coming() -> None:
    """Whoever consumes it."""
    place = Place("a", "b")
    place.tick(50)
    assert place.queues.asked == ["a", "b"] * 10
    place.queues.count["b"] = 5000
    place.tick(1)
    assert place.hearing.waiting == {"a of broker": 0, "b of broker": 5000 - 51}


def test_a_queue_that_each_marker_has_asked_for_is_not_asked_for_once_more() -> None:
    """But for the first time, before any marker is back."""
    place = Place("a", "b")
    for _ in range(50):
        place.tick()
        place.back("b")
        place.back("a")
    assert place.queues.asked.count("a") == 1 + 2 * 50 - 1
    assert place.queues.asked.count("b") == place.queues.asked.count("a")


def test_of_a_lost_connection_nobody_knows_how_many_wait() -> None:
    """Until there is another."""
    place = Place("a")
    place.queues.count["a"] = 30
    place.tick()
    place.hearing.closed()
    assert place.hearing.waiting == {}
    place.tick(10)
    assert place.hearing.waiting == {}
    place.open()
    place.tick()
    assert place.hearing.waiting == {"a of broker": 29}


def test_where_nothing_may_be_published_the_looks_at_the_queues_tell_how_many_wait() -> None:
    """No marker is among them."""
    place = Place("a", publishes=False)
    place.queues.count["a"] = 30
    place.tick(2)
    assert place.queues.asked == ["a", "a"]
    assert place.hearing.waiting == {"a of broker": 30}


def test_an_answer_that_comes_by_a_lost_connection_tells_nothing() -> None:
    """The queue may have another length since."""
    place = Place("a")
    answer: Deferred[Any] = Deferred()
    place.queues.queue_declare = lambda name, passive: answer  # type: ignore[method-assign]
    place.tick()
    place.hearing.closed()
    answer.callback(SimpleNamespace(method=SimpleNamespace(message_count=30, consumer_count=1)))
    assert place.hearing.waiting == {}


STANDBY = "standby: another daemon consumes a of broker"


@pytest.mark.parametrize(
    ("consumers", "waiting"), [(1, 0), (2, 100)], ids=["a quorum queue", "a classic one"]
)
def test_who_gets_no_marker_while_others_consume_stands_by(
    consumers: int, waiting: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, claims nothing, and goes on to ask the queue for as long as it takes."""
    caplog.set_level("INFO")
    place = Place("a", in_turn=["a"])
    place.queues.consumers, place.queues.count["a"] = consumers, waiting
    place.tick(5)
    assert not place.watermark.standby
    place.tick(2000)
    assert set(place.watermark.standby) == {"a of broker"}
    assert caplog.text.count(STANDBY) == 1
    assert len(place.queues.sent["a"]) == 2005
    assert place.watermark.start is None


def test_who_stood_by_takes_over_with_the_first_that_comes(caplog: pytest.LogCaptureFixture) -> None:
    """Also with what the other has left. It claims what comes from then on, as after a connection."""
    caplog.set_level("INFO")
    place = Place("a", in_turn=["a"])
    place.queues.consumers = 2
    place.tick(20)
    place.queues.consumers = 1
    place.back("a")
    assert caplog.text.count("takes over a of broker") == 1
    assert not place.watermark.standby
    while place.queues.sent["a"]:
        place.back("a")
    assert place.claim() is None
    place.tick(20)
    for _ in range(20):
        place.back("a")
    assert place.claim() == Span(int(NOON + 20 + SETTLE) + 1, int(NOON) + 40 - LATENESS)
    assert "missing" not in caplog.text
    assert caplog.text.count("takes over") == 1


def test_who_takes_over_before_it_knew_that_it_stood_by_claims_as_little() -> None:
    """What was sent before its first delivery may have gone to the other."""
    place = Place("a", in_turn=["a"])
    place.queues.consumers = 2
    place.tick(3)
    del place.queues.sent["a"][:2]
    place.back("a")
    place.tick(20)
    for _ in range(20):
        place.back("a")
    assert place.claim() == Span(int(NOON + 3 + SETTLE) + 1, int(NOON) + 23 - LATENESS)


def test_whose_turn_it_is_does_not_stand_by(caplog: pytest.LogCaptureFixture) -> None:
    """Though nothing comes: there may be no room for more, the broker may take nothing, or nobody else be there."""
    caplog.set_level("INFO")
    place = Place("a", in_turn=["a"])
    place.queues.consumers = 2
    place.tick()
    place.back("a")
    place.tick(100)
    assert not place.watermark.standby
    blocked = Place("a", in_turn=["a"])
    blocked.queues.consumers, blocked.queues.confirms = 2, False
    blocked.tick(100)
    assert not blocked.watermark.standby
    unled = Place("a", in_turn=["a"])
    unled.queues.consumers = 0
    unled.tick(100)
    assert not unled.watermark.standby
    late = Place("a", in_turn=["a"])
    for number in range(100):
        late.queues.count["a"] = number
        late.tick()
    assert not late.watermark.standby
    shared = Place("a")
    shared.queues.consumers = 2
    shared.tick(100)
    assert not shared.watermark.standby
    assert STANDBY not in caplog.text


def test_whose_turn_ends_stands_by_again(caplog: pytest.LogCaptureFixture) -> None:
    """As when the broker takes a part of itself for gone. All that came is acknowledged then."""
    caplog.set_level("INFO")
    place = Place("a", in_turn=["a"])
    place.queues.consumers = 2
    place.tick()
    place.back("a")
    place.tick(10, idle=True)
    assert set(place.watermark.standby) == {"a of broker"}
    place.hearing.closed()
    assert not place.watermark.standby


def test_while_it_stands_by_for_one_of_its_queues_nothing_is_claimed() -> None:
    """Of the others either: it claims what it has of all."""
    place = Place("a", "b", in_turn=["a", "b"])
    place.queues.consumers = 2
    for _ in range(20):
        place.tick()
        place.back("a")
    assert set(place.watermark.standby) == {"b of broker"}
    assert place.claim() is None
    assert not place.hearing.give_way()
    place.queues.sent["b"] = place.queues.sent["b"][-1:]
    place.back("b")
    for _ in range(20):
        place.tick()
        place.back("a")
        place.back("b")
    assert place.claim() == Span(int(NOON + 20 + SETTLE) + 1, int(NOON) + 40 - LATENESS)


def test_who_has_only_some_of_its_queues_leaves_them_to_who_has_the_others() -> None:
    """After a while, and each time after a longer one; else neither of them would ever claim any time."""
    place = Place("a", "b", in_turn=["a", "b"])
    place.queues.consumers = 2
    took: list[int] = []
    for _ in range(4):
        seconds = 0
        while not place.hearing.give_way():
            place.tick()
            place.back("a")
            seconds += 1
        took.append(seconds)
        place.open()
        place.queues.sent["a"].clear()
    assert all(10 * 2**number < seconds < 30 + 20 * 2**number for number, seconds in enumerate(took))
    for _ in range(1000):
        place.tick()
        assert not place.hearing.give_way()
    assert set(place.watermark.standby) == {"a of broker", "b of broker"}


def test_what_comes_while_the_queue_is_asked_is_an_answer_too() -> None:
    """It shows whose turn it is."""
    place = Place("a", in_turn=["a"])
    answer, place.queues.answers = place.queues.queue_declare("a", True), Deferred()
    place.tick(6)
    place.back("a")
    place.queues.answers.callback(answer.result)
    assert not place.watermark.standby
    place.hearing.closed()
    place.open()
    place.queues.answers = Deferred()
    place.tick(6)
    place.queues.answers.callback(answer.result)
    assert place.watermark.standby
