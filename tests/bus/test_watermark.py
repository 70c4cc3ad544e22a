"""What of the bus's time was heard in full, against a plain account of what happened."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from statscache.bus.checks import KEPT
from statscache.bus.looks import APART, FROZEN, PAUSE
from statscache.bus.watermark import AHEAD, SETTLE, Watermark
from statscache.span import Span
from tests.support.clock import NOON, Machine

LATENESS = 30
#: What hypothesis is given, so that many claims can be made.
SHORT = 3
ENDPOINTS = ["tcp://a", "tcp://b"]
delays = st.floats(0, SHORT)
names = st.sampled_from(ENDPOINTS)
#: How many seconds of undisturbed life follow: without some nothing is ever claimed.
calms = st.integers(0, 15)


@dataclass
class Arrival:
    """A message: its second, and for how long the process has run since it arrived."""

    second: int
    age: float = 0.0


@dataclass
class Outage:
    """When an endpoint was not connected."""

    first: float
    last: float = math.inf


@dataclass
class Account:
    """All that happened."""

    outages: dict[str, list[Outage]] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    spool: list[int] = field(default_factory=list)
    underway: list[Arrival] = field(default_factory=list)


class AnyHistory(RuleBasedStateMachine):
    """Messages arrive, are taken and committed; connections, messages and the process itself come to grief.

    A message takes up to a second of the process's running time from its arrival until the sockets show it.
    """

    @initialize()
    def begin(self) -> None:
        self.clock = Machine()
        self.watermark = Watermark(self.clock.clocks)
        self.watermark.expect(ENDPOINTS)
        self.account = Account({name: [Outage(self.clock.now)] for name in ENDPOINTS})
        self.committed = 0
        self.running = APART
        self.last: Span | None = None
        for name in ENDPOINTS:
            self.connect(name, 0)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 1.1, 2.0]))
    def run(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.running += seconds
        for arrival in self.account.underway:
            arrival.age += seconds

    @precondition(lambda self: self.running >= APART)
    @rule(
        seconds=st.floats(PAUSE + 0.1, 2 * FROZEN),
        arrivals=st.lists(st.tuples(st.floats(0, 1), delays)),
        calm=calms,
    )
    def freeze(self, seconds: float, arrivals: list[tuple[float, float]], calm: int) -> None:
        """Time passes in which the process does nothing and messages arrive."""
        for part, delay in arrivals if seconds < FROZEN else []:
            self.arrive(delay, part * seconds)
        self.pass_time(seconds)
        self.running = 0.0
        self.live(calm, True, 0.0)

    @rule(delay=delays)
    def arrive(self, delay: float, ahead: float = 0.0) -> None:
        self.account.underway.append(Arrival(math.floor(self.clock.now + ahead - delay)))

    @property
    def shown(self) -> list[Arrival]:
        return [arrival for arrival in self.account.underway if arrival.age >= APART - 1e-6]

    @rule()
    def take(self) -> None:
        """Take what the sockets show."""
        for arrival in self.shown:
            self.account.spool.append(arrival.second)
            self.account.underway.remove(arrival)

    @rule(take=st.booleans(), seconds=st.sampled_from([0.0, 1.0, 1.1]))
    def check(self, take: bool, seconds: float) -> None:
        self.run(seconds)
        if take:
            self.take()
        self.watermark.checked(not self.shown, len(self.account.spool))

    @rule(checks=calms, commits=st.booleans(), delay=delays)
    def live(self, checks: int, commits: bool, delay: float) -> None:
        """All goes well for a while, but perhaps for the database."""
        for _ in range(checks):
            self.run(0.6)
            self.arrive(delay)
            self.check(True, 0.5)
            if commits:
                self.commit(1.0)
            self.claim(0)

    @rule(share=st.floats(0, 1) | st.just(1.0))
    def commit(self, share: float) -> None:
        self.committed += math.ceil(share * (len(self.account.spool) - self.committed))

    @rule(name=names, calm=calms)
    def connect(self, name: str, calm: int) -> None:
        outage = self.account.outages[name][-1]
        outage.last = min(outage.last, self.clock.now)
        self.watermark.connected(name)
        self.live(calm, True, 0.0)

    @rule(name=names, back=st.booleans(), calm=calms)
    def disconnect(self, name: str, back: bool, calm: int) -> None:
        if self.account.outages[name][-1].last < math.inf:
            self.account.outages[name].append(Outage(self.clock.now))
        self.watermark.disconnected(name)
        self.last = None
        if back:
            self.connect(name, 0)
        self.live(calm, True, 0.0)

    @rule(offset=st.integers(-100, 30) | st.integers(-AHEAD, AHEAD), calm=calms)
    def lose(self, offset: int, calm: int) -> None:
        self.account.lost.append(math.floor(self.clock.now) + offset)
        self.watermark.interrupt(self.account.lost[-1])
        self.last = None
        self.live(calm, True, 0.0)

    def claimed(self, position: int) -> Span | None:
        """Return what a commit up to a position may cover."""
        return self.watermark.claim(position, SHORT)

    @rule(lag=st.integers(0, 3))
    def claim(self, lag: int) -> None:
        span = self.claimed(max(self.committed - lag, 0))
        if span is None:
            assert self.last is None or self.watermark.start != self.last.start
            return
        assert not [o for name in ENDPOINTS for o in self.account.outages[name] if overlaps(o, span)]
        assert not [second for second in self.account.lost if second in span]
        assert not [second for second in self.account.spool[self.committed :] if second in span]
        assert not [arrival for arrival in self.account.underway if arrival.second in span]
        assert span.stop == self.watermark.late_before <= self.clock.now - SHORT
        if self.last is not None and self.last.start == span.start:
            assert span.stop >= self.last.stop
        self.last = span


def overlaps(outage: Outage, span: Span) -> bool:
    """Return whether an endpoint was away in a span, or came back too short a time before it."""
    return outage.first < span.stop and outage.last + SETTLE > span.start


AnyHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestAnyHistory = AnyHistory.TestCase


def attending(*endpoints: str) -> tuple[Watermark, Machine]:
    """Return an attendance to which all endpoints are connected, and its clock."""
    clock = Machine()
    watermark = Watermark(clock.clocks)
    watermark.expect(endpoints or ENDPOINTS)
    for endpoint in endpoints or ENDPOINTS:
        watermark.connected(endpoint)
    return watermark, clock


def watch(watermark: Watermark, clock: Machine, seconds: int, position: int = 0, empty: bool = True) -> None:
    """Let so many seconds pass, with a check in each."""
    for _ in range(seconds):
        clock.now += APART
        watermark.checked(empty, position)


def test_a_span_begins_after_the_last_endpoint_has_connected() -> None:
    """It begins some seconds later, at a whole one, and while one endpoint is missing there is none."""
    clock = Machine()
    watermark = Watermark(clock.clocks)
    watermark.expect(ENDPOINTS)
    watermark.connected("tcp://a")
    assert watermark.start is None
    assert watermark.missing == {"tcp://b": 0.25}
    clock.now += 10
    watermark.connected("tcp://b")
    assert watermark.start == NOON + 10 + SETTLE + 1
    assert not watermark.missing


def test_without_endpoints_nothing_is_heard() -> None:
    """A hub that listens to nothing claims nothing."""
    clock = Machine()
    watermark = Watermark(clock.clocks)
    watermark.expect([])
    watch(watermark, clock, 1000)
    assert watermark.start is None
    assert watermark.claim(0, 0) is None


def test_a_claim_ends_lateness_before_the_first_of_two_empty_checks() -> None:
    """The last second of it is whole."""
    watermark, clock = attending()
    watch(watermark, clock, 100)
    assert watermark.claim(0, LATENESS) == Span(int(NOON) + 6, int(NOON) + 100 - 1 - LATENESS)
    assert watermark.late_before == NOON + 99 - LATENESS


def test_under_steady_load_claims_follow_the_clock() -> None:
    """With messages in every second and commits that lag by one, a claim is at most some seconds behind."""
    watermark, clock = attending()
    behind = []
    for position in range(0, 3000, 10):
        watch(watermark, clock, 1, position)
        span = watermark.claim(position - 15, LATENESS)
        behind.append(math.floor(clock.now) - LATENESS - span.stop if span else None)
    assert set(behind[50:]) == {3}


def test_a_commit_that_lags_far_behind_still_claims() -> None:
    """While commits catch up over many minutes claims follow them, and few checks are kept."""
    watermark, clock = attending()
    for position in range(2000):
        watch(watermark, clock, 1, position)
    assert len(watermark._checks._checks) <= KEPT
    stops = set()
    for committed in range(2000):
        watch(watermark, clock, 1, 2000 + committed)
        if span := watermark.claim(committed, LATENESS):
            stops.add(span.stop)
            assert span.stop <= NOON + committed
    assert len(stops) > 20
    assert max(stops) > NOON + 1000


def test_a_lost_message_ends_the_span_and_its_second_is_never_claimed() -> None:
    """Even if it came with a timestamp that lies ahead; one that lies years ahead says nothing."""
    watermark, clock = attending()
    watch(watermark, clock, 100)
    assert watermark.claim(0, LATENESS)
    watermark.interrupt(int(NOON) + 200)
    assert watermark.start == NOON + 201
    assert watermark.claim(0, LATENESS) is None
    watch(watermark, clock, 200)
    assert watermark.claim(0, LATENESS) == Span(int(NOON) + 201, int(NOON) + 299 - LATENESS)
    watermark.interrupt(int(clock.now) + AHEAD + 1)
    assert watermark.start == NOON + 300 + SETTLE + 1


def test_a_message_lost_while_an_endpoint_is_away_is_remembered() -> None:
    """The span that begins when it is back begins after that message's second."""
    watermark, _ = attending()
    watermark.disconnected("tcp://a")
    watermark.interrupt(int(NOON) + 50)
    watermark.connected("tcp://a")
    assert watermark.start == NOON + 51


def test_what_always_has_something_to_read_is_not_claimed() -> None:
    """While a flood lasts claims stand still, and go on after it."""
    watermark, clock = attending()
    watch(watermark, clock, 50)
    before = watermark.claim(0, LATENESS)
    watch(watermark, clock, 50, empty=False)
    assert watermark.claim(10**9, LATENESS) == before
    watch(watermark, clock, 2, position=5)
    assert watermark.claim(4, LATENESS) == before
    assert watermark.claim(5, LATENESS) == Span(int(NOON) + 6, int(NOON) + 101 - LATENESS)


def test_what_was_never_committed_is_not_claimed() -> None:
    """Even if it is all that was ever taken."""
    watermark, clock = attending()
    watch(watermark, clock, 50, empty=False)
    watch(watermark, clock, 2, position=5)
    assert watermark.claim(4, LATENESS) is None
    assert watermark.claim(5, LATENESS) == Span(int(NOON) + 6, int(NOON) + 51 - LATENESS)


def test_checks_that_follow_too_soon_show_nothing() -> None:
    """What has arrived needs a moment to show up."""
    watermark, clock = attending()
    clock.now += 100
    for _ in range(10):
        clock.now += APART / 11
        watermark.checked(True, 0)
    assert watermark.claim(0, LATENESS) is None
    watch(watermark, clock, 1)
    assert watermark.claim(0, LATENESS)


def test_a_process_that_was_frozen_waits_for_what_has_arrived() -> None:
    """The first check after a short freeze says nothing, and the next one nothing of before it."""
    watermark, clock = attending()
    watch(watermark, clock, 100)
    before = watermark.claim(0, LATENESS)
    clock.now += FROZEN - 1
    watermark.checked(True, 0)
    assert watermark.claim(0, LATENESS) == before
    watch(watermark, clock, 2, position=70)
    assert watermark.claim(0, LATENESS) == before
    assert watermark.claim(70, LATENESS) == Span(int(NOON) + 6, int(NOON) + 100 + int(FROZEN) - LATENESS)


def test_a_long_freeze_begins_a_new_span() -> None:
    """Nobody knows what was missed."""
    watermark, clock = attending()
    watch(watermark, clock, 100)
    assert watermark.claim(0, LATENESS)
    clock.now += FROZEN + 1
    watermark.checked(True, 0)
    start = math.ceil(clock.now + SETTLE)
    assert watermark.start == start
    assert watermark.claim(0, LATENESS) is None
    watch(watermark, clock, 100)
    assert watermark.claim(0, LATENESS) == Span(start, math.floor(clock.now - APART) - LATENESS)
