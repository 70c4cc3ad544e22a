"""What is acknowledged, and what comes again, of a broker that loses its channels at any time."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from statscache.bus.amqp.deliveries import Deliveries


class AnyBroker(RuleBasedStateMachine):
    """A queue, a channel, and a spool of which each message takes one byte."""

    def __init__(self) -> None:
        super().__init__()
        self.deliveries = Deliveries()
        self.deliveries.begin()
        self.queue: list[str] = []
        self.underway: dict[int, str] = {}
        self.delivered: set[str] = set()
        self.tag = self.made = self.committed = 0
        self.spool: list[str] = []
        self.rejected: set[str] = set()
        self.acknowledged: set[str] = set()

    @rule(number=st.integers(1, 5))
    def publish(self, number: int) -> None:
        for _ in range(number):
            self.made += 1
            self.queue.append(f"m{self.made}")

    @rule(number=st.integers(1, 5), rejects=st.booleans())
    def deliver(self, number: int, rejects: bool) -> None:
        for _ in range(min(number, len(self.queue))):
            self.take(rejects)

    def take(self, rejects: bool = False, fits: bool = True) -> bool:
        """Take the next delivery, and return whether there was room for it."""
        id = self.queue.pop(0)
        self.tag += 1
        self.underway[self.tag] = id
        if rejects and id not in self.delivered:
            self.rejected.add(id)
            self.deliveries.came(self.tag)
            return True
        known = id in self.delivered and self.deliveries.is_spooled(id)
        self.deliveries.came(self.tag, id)
        self.delivered.add(id)
        if fits and not known:
            self.spool.append(id)
        return fits or known

    @rule()
    def settle(self) -> None:
        self.deliveries.settle(len(self.spool))
        self.acknowledge()

    @rule(share=st.floats(0, 1) | st.just(1.0))
    def commit(self, share: float) -> None:
        self.committed += int(share * (len(self.spool) - self.committed))
        self.acknowledge()

    def acknowledge(self) -> None:
        tag = self.deliveries.committed(self.committed)
        if tag is not None:
            for each in [each for each in self.underway if each <= tag]:
                self.acknowledged.add(self.underway.pop(each))

    @rule(lasts=st.booleans())
    def lose_the_channel(self, lasts: bool) -> None:
        self.deliveries.end(len(self.spool))
        if lasts:
            self.committed = len(self.spool)
            assert self.deliveries.committed(self.committed) is None
        self.come_again()

    @rule(number=st.integers(1, 5), fits=st.integers(0, 4))
    def find_no_room(self, number: int, fits: int) -> None:
        for place in range(min(number, len(self.queue))):
            id = self.queue[0]
            if not self.take(fits=place < fits):
                self.deliveries.end_before(id, len(self.spool))
                self.come_again()
                return

    def come_again(self) -> None:
        self.queue[:0] = self.underway.values()
        self.underway.clear()
        self.tag = 0
        self.deliveries.begin()

    @invariant()
    def what_is_acknowledged_is_committed_or_rejected(self) -> None:
        assert self.acknowledged <= {*self.spool[: self.committed], *self.rejected}

    @invariant()
    def nothing_is_spooled_twice(self) -> None:
        assert max(Counter(self.spool).values(), default=1) == 1

    def teardown(self) -> None:
        while self.queue:
            self.take()
        self.settle()
        self.commit(1.0)
        assert not self.underway
        assert not self.deliveries.underway
        assert not self.deliveries._spooled
        assert self.deliveries.waiting == 0


AnyBroker.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAnyBroker = AnyBroker.TestCase


def test_of_what_is_committed_the_last_is_named_once() -> None:
    """All before it are acknowledged with it."""
    deliveries = Deliveries()
    deliveries.begin()
    for tag in range(1, 7):
        deliveries.came(tag, f"m{tag}")
        deliveries.settle(tag * 10)
    tags = [deliveries.committed(position) for position in (9, 10, 35, 35, 60, 60)]
    assert tags == [None, 1, 3, None, 6, None]
    assert deliveries.waiting == 0


def test_what_is_known_of_what_was_not_acknowledged_is_bounded() -> None:
    """The oldest ids are forgotten: if these come again they are spooled again, and the ledger knows them."""
    deliveries = Deliveries()
    deliveries.begin()
    for number in range(200_000):
        deliveries.came(number + 1, f"m{number}")
    deliveries.end(1)
    assert deliveries.is_spooled("m199999")
    assert not deliveries.is_spooled("m0")


def test_channels_that_are_lost_leave_nothing_behind() -> None:
    """However often the same messages come again while nothing is committed, such as with a full disk."""
    deliveries = Deliveries()
    for _ in range(100):
        deliveries.begin()
        for tag in range(1, 51):
            deliveries.came(tag, f"m{tag}")
            deliveries.settle(10)
        deliveries.end(10)
    assert sum(1 + len(settled.ids) for settled in deliveries._settled) < 100
    assert deliveries.underway
    deliveries.committed(10)
    assert not deliveries.underway
