"""What is claimed of the bus's time while clocks are set, wrong, or stand still."""

from __future__ import annotations

import logging
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from statscache.bus.looks import APART
from statscache.bus.watermark import SETTLE, Watermark
from statscache.span import Span
from tests.bus.test_watermark import ENDPOINTS, LATENESS, AnyHistory, Outage, attending, calms, watch
from tests.support.clock import NOON, Machine

#: By how much clocks are set, in seconds, either way.
jumps = st.floats(1, 10) | st.floats(10, 7200) | st.just(86_400.0 * 400)
JUMPS = (1.0, 1.5, 2.0, 45.0, 3600.0, 86_400.0 * 400)


class AnyClocks(AnyHistory):
    """The same, while this machine's clock and the database's are set at any time, but one of them is right.

    A machine that is suspended hears nothing, and finds out no more than its clocks tell it.
    """

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.clock.ask_database()

    @precondition(lambda self: self.clock.database_ahead == 0)
    @rule(seconds=st.just(0.0) | jumps | jumps.map(lambda jump: -jump), calm=calms)
    def set_clock(self, seconds: float, calm: int) -> None:
        self.clock.ahead = seconds
        self.last = None
        self.live(calm, True, 0.0)

    @precondition(lambda self: self.clock.ahead == 0)
    @rule(seconds=st.just(0.0) | jumps | jumps.map(lambda jump: -jump), asks=st.booleans(), calm=calms)
    def set_database(self, seconds: float, asks: bool, calm: int) -> None:
        self.clock.database_ahead = seconds
        self.last = None
        if asks:
            self.ask()
        self.live(calm, True, 0.0)

    @rule()
    def ask(self) -> None:
        self.clock.ask_database()
        self.last = None

    @rule(lag=st.integers(0, 3))
    def claim(self, lag: int) -> None:
        super().claim(lag)
        if self.clock.clocks.read().jump_since(self.watermark._began):
            self.last = None  # the next check begins a new span

    def claimed(self, position: int) -> Span | None:
        claim = super().claimed(position)
        self.clock.ask_database()  # as the transaction does that would commit it
        return self.watermark.confirm(claim)

    @precondition(lambda self: self.clock.ahead == 0)
    @rule(seconds=jumps, calm=calms)
    def suspend(self, seconds: float, calm: int) -> None:
        for name in ENDPOINTS:
            self.account.outages[name].insert(0, Outage(self.clock.now, self.clock.now + seconds))
        self.clock.suspend(seconds)
        self.last = None
        self.live(calm, True, 0.0)


AnyClocks.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestAnyClocks = AnyClocks.TestCase


@pytest.mark.parametrize("jump", [sign * jump for jump in JUMPS for sign in (1, -1)])
@pytest.mark.parametrize("what", ["ahead", "database_ahead", "both"])
def test_a_clock_that_is_set_begins_a_new_span(
    jump: float, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the next look, whichever clock it is and however far it was set; and claims go on after it."""
    watermark, machine = attending()
    machine.ask_database()
    watch(watermark, machine, 100)
    assert watermark.claim(0, LATENESS)
    for clock in ("ahead", "database_ahead") if what == "both" else (what,):
        setattr(machine, clock, jump)
    machine.ask_database()
    watch(watermark, machine, 1)
    latest = machine.now + max(machine.ahead, machine.database_ahead)
    assert watermark.start == math.ceil(latest + SETTLE)
    assert watermark.claim(0, LATENESS) is None
    assert "a new span of coverage begins" in caplog.text
    machine.ahead = machine.database_ahead = jump
    machine.ask_database()
    watch(watermark, machine, 100)
    start = math.ceil(machine.now - 99 * APART + jump + SETTLE)
    stop = math.floor(machine.now + jump - APART) - LATENESS
    assert (watermark.claim(0, LATENESS) or Span(0, 1)).stop == stop
    assert watermark.start in (start, math.ceil(latest + SETTLE))


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_what_is_skipped_hides_no_clock_that_was_set(jump: float) -> None:
    """What was seen by the clock as it had been says nothing after a loss that is skipped before the next look."""
    watermark, machine = attending()
    machine.ask_database()
    watch(watermark, machine, 100)
    machine.ahead = machine.database_ahead = jump
    machine.ask_database()
    watermark.skip(0)
    assert watermark.start == math.ceil(machine.now + jump + SETTLE)


def test_what_was_claimed_before_the_databases_clock_was_looked_at_holds_only_if_it_went_on_evenly() -> None:
    """A machine that was suspended and set back by as much sees nothing of it but in the database's clock."""
    watermark, machine = attending()
    machine.ask_database()
    watch(watermark, machine, 100)
    claim = watermark.claim(0, LATENESS)
    machine.ask_database()
    assert claim
    assert watermark.confirm(claim) == claim
    machine.suspend(3600.0)
    machine.ahead = -3600.0
    watch(watermark, machine, 10)
    claim = watermark.claim(0, LATENESS)
    assert claim
    machine.ask_database()
    assert watermark.confirm(claim) is None
    watch(watermark, machine, 1)
    assert watermark.confirm(claim) is None  # nor once there is a new span
    assert watermark.confirm(None) is None


def test_an_answer_that_comes_late_shows_a_clock_that_was_set_by_more_than_that() -> None:
    """The clock may be off by half of the time that the answer took, and no less than that says anything of it."""
    machine = Machine()
    machine.ask_database()
    before = machine.clocks.read()
    for ahead, is_set in ((0.0, False), (4.0, False), (-4.0, False), (6.0, True), (3606.0, True)):
        asked = machine.monotonic()
        machine.clocks.note_database(machine.now + 5.0 + ahead, asked, asked + 10.0)
        assert bool(machine.clocks.read().jump_since(before)) is is_set
        before = machine.clocks.read()


def test_a_clock_that_is_slewed_begins_no_new_span() -> None:
    """Nor do clocks that drift apart slowly: by a tenth of a second in each, for minutes."""
    watermark, machine = attending()
    machine.ask_database()
    watch(watermark, machine, 10)
    start = watermark.start
    for _ in range(200):
        machine.database_ahead += 0.1
        machine.ask_database()
        watch(watermark, machine, 1)
    assert watermark.start == start
    assert watermark.claim(0, LATENESS) == Span(int(NOON) + 6, math.floor(machine.now - APART) - LATENESS)


def test_a_clock_that_is_wrong_all_the_time_is_made_up_for() -> None:
    """Claims begin by the clock that is ahead and end by the one that is behind, and follow time."""
    for ahead in (-3600.0, 3600.0):
        machine = Machine()
        machine.ahead = ahead
        machine.ask_database()
        watermark = Watermark(machine.clocks)
        watermark.expect(ENDPOINTS)
        for endpoint in ENDPOINTS:
            watermark.connected(endpoint)
        watch(watermark, machine, 3600)
        assert watermark.claim(0, LATENESS) is None
        watch(watermark, machine, 100)
        start = math.ceil(NOON + 0.25 + max(ahead, 0) + SETTLE)
        stop = math.floor(machine.now + min(ahead, 0) - APART) - LATENESS
        assert watermark.claim(0, LATENESS) == Span(start, stop)


def test_messages_are_not_late_because_the_clock_was_ahead() -> None:
    """What was claimed by a clock that is set back says nothing of messages that come after that."""
    watermark, machine = attending()
    machine.ahead = machine.database_ahead = 3600
    machine.ask_database()
    watch(watermark, machine, 100)
    assert watermark.claim(0, LATENESS)
    assert watermark.late_before > machine.now
    machine.ahead = machine.database_ahead = 0
    machine.ask_database()
    watch(watermark, machine, 1)
    assert watermark.late_before <= machine.now


def test_what_lasts_is_told_by_the_monotonic_clock() -> None:
    """Since when an endpoint is away, and when the sockets were last looked at."""
    watermark, machine = attending()
    watch(watermark, machine, 10)
    machine.ahead = -3600
    watermark.disconnected(ENDPOINTS[0])
    assert watermark.missing == {ENDPOINTS[0]: machine.monotonic()}
    assert watermark.looked == machine.monotonic()


def test_a_message_that_is_lost_is_noted_whichever_clock_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """Its second is not claimed though this machine's clock is years behind."""
    caplog.set_level(logging.ERROR)
    watermark, machine = attending()
    machine.ask_database()
    machine.ahead = -86_400.0 * 3650
    watch(watermark, machine, 1)
    watermark.interrupt(math.floor(machine.now) + 50)
    assert watermark.start == math.floor(machine.now) + 51
