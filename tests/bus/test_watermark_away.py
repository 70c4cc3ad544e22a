"""What is claimed of time in which nobody was connected, of a bus that has kept what was sent."""

from __future__ import annotations

import pytest

from statscache.bus.watermark import SETTLE, Watermark
from statscache.span import Span
from tests.support.clock import NOON, Machine

QUEUE = "a queue"
LATENESS = 30
START = int(NOON + SETTLE) + 1


class Queue:
    """A queue whose markers are back at once, as long as it is connected."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.ended: list[float] = []
        self.watermark = Watermark(self.machine.clocks, lambda: self.ended.append(self.machine.now))
        self.watermark.expect([QUEUE])
        self.position = 0
        self.is_connected = False

    def live(self, seconds: int) -> Span | None:
        """Let time pass, then claim, and have that committed."""
        for _ in range(seconds):
            self.machine.now += 1
            self.position += 1
            self.watermark.checked(False, self.position)
            if self.is_connected:
                self.watermark.heard(self.machine.clocks.read(), self.position)
        claim = self.watermark.claim(self.position, LATENESS)
        self.watermark.committed(claim)
        return claim

    def connect(self, kept: bool) -> None:
        self.is_connected = True
        self.watermark.connected(QUEUE, kept)

    def disconnect(self, may_keep: bool = True) -> None:
        self.is_connected = False
        self.watermark.disconnected(QUEUE, may_keep)

    @property
    def reach(self) -> int | None:
        """Up to when the present span is claimed."""
        found: list[int | None] = []
        self.watermark.tell_reach(found.append)
        return found[0]


@pytest.fixture
def queue() -> Queue:
    queue = Queue()
    queue.connect(False)
    assert queue.live(100) == Span(START, int(NOON) + 70)
    return queue


def test_time_away_is_claimed_where_everything_was_kept(queue: Queue) -> None:
    """Once publishers that could not publish meanwhile have had their time, and then without a gap."""
    queue.disconnect()
    assert queue.live(200) is None
    queue.connect(True)
    assert queue.live(LATENESS - 1) is None
    assert queue.live(2) == Span(int(NOON) + 70, int(NOON) + 301)


def test_time_away_is_a_gap_where_not_everything_was_kept(queue: Queue) -> None:
    """It was deleted, or that is not known."""
    queue.disconnect()
    queue.live(200)
    queue.connect(False)
    found = queue.live(100)
    assert found is not None
    assert found.start > NOON + 300


@pytest.mark.parametrize("what", ["clock", "loss", "other"])
def test_what_ends_a_span_ends_it_while_away_too(what: str, queue: Queue) -> None:
    """Whatever is kept afterwards: nobody knows what was missed before."""
    queue.disconnect()
    queue.live(100)
    if what == "clock":
        queue.machine.ahead = 3600.0
    elif what == "loss":
        queue.watermark.interrupt(int(NOON) + 90)
    else:
        queue.watermark.renew()
    queue.live(100)
    queue.connect(True)
    found = queue.live(100)
    assert found is not None
    assert found.start > NOON + 300


def test_a_new_daemon_goes_on_where_the_last_one_was() -> None:
    """What it has left is claimed together with the time away."""
    queue = Queue()
    queue.live(50)
    queue.connect(True)
    queue.watermark.resume(int(NOON) - 1000)
    assert queue.live(LATENESS - 1) is None
    assert queue.live(2) == Span(int(NOON) - 1000, int(NOON) + 51)


def test_what_is_left_behind_is_up_to_where_the_present_span_is_claimed(queue: Queue) -> None:
    """Or where it begins; nothing once it has ended, which is told at once."""
    assert queue.reach == NOON + 70
    queue.disconnect()
    assert queue.reach == NOON + 70
    ended = len(queue.ended)
    queue.watermark.renew()
    assert (queue.reach, len(queue.ended)) == (None, ended + 1)
    queue.connect(True)
    assert queue.reach == int(queue.machine.now + SETTLE) + 1
