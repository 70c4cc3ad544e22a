"""Messages and the copies of bridges, in any order, over daemons that die: each counts once, by the right time.

And no second is complete that has yet to get a message. The clock is that of the test; what is kept back is over when
that says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from statscache.process.clocks import Clocks
from tests.support.bench import Bench, Good
from tests.support.bridged import START, WAYS, YEAR, Both, canonical

pytestmark = pytest.mark.slow
#: For how many seconds there are messages, and how long they are on their way at most.
LONG, DELAY = 150, 3
PUBLISHER = "tcp://publisher"
#: Seconds that are covered, and those by which messages count.
COVERED = (
    "SELECT extract(epoch FROM lower(span))::bigint - :start, extract(epoch FROM upper(span))::bigint - :start FROM ("
    "SELECT unnest(covered) AS span FROM statscache_coverage) AS each ORDER BY 1"
)
COUNTED = "SELECT msg_id, extract(epoch FROM timestamp)::bigint - :start FROM statscache_ledger"
OVER = "UPDATE statscache_kept_back SET until = now() WHERE msg_id = ANY(:ids)"


@dataclass
class Sent:
    """A message, and the seconds by which its original and its copies were sent."""

    number: int
    way: str
    original: int
    copies: list[int] = field(default_factory=list)


@dataclass
class Life:
    """What happens, second by second.

    :param lateness: as coverage has it
    :param wait: for how long a copy is kept back
    :param deadly: whether daemons die
    """

    both: Both
    chance: random.Random
    lateness: int
    wait: int
    deadly: bool
    now: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    arriving: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    down: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    #: What should come of it: by which second each counts, and which copies are kept back.
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"fedmsg": [], "amqp": []})
    expected: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Let both daemons listen."""
        for name in WAYS:
            self.listen(self.daemon(name))

    def daemon(self, name: str) -> Bench:
        bench: Bench = getattr(self.both, name)
        return bench

    def listen(self, bench: Bench) -> None:
        """Let a daemon hear its bus on our clock."""
        watermark = bench.daemon.watermark
        watermark.clocks = Clocks(lambda: float(START + self.now), lambda: float(self.now))
        bench.daemon.backlog._lateness = self.lateness
        watermark.expect([PUBLISHER])
        watermark.connected(PUBLISHER)

    def live(self, seconds: int, messages: bool = True) -> None:
        """Let time pass."""
        for _ in range(seconds):
            self.now += 1
            if messages:
                self.send()
            self.deliver()
            before = self.covered()
            if self.deadly:
                self.perish()
            for name in self.chance.sample(["fedmsg", "amqp"], 2):
                if name not in self.down and self.chance.random() < 0.6:
                    self.flush(name)
            self.let_over()
            self.assert_honest(before)

    def send(self) -> None:
        """Send some messages, which bridges copy."""
        for _ in range(self.chance.randrange(3)):
            number, way = len(self.sent) + 1, self.chance.choice([*WAYS])
            its = Sent(number, way, self.now)
            self.sent[canonical(number)] = its
            original, copy = WAYS[way]
            if self.chance.random() < 0.8:
                self.put(original(number, its.original), self.chance.choice([0, 1, DELAY]))
            for _ in range(self.chance.choice([0, 1, 1, 2])):
                its.copies.append(its.original + self.chance.randrange(5))
                self.put(
                    copy(number, its.copies[-1]), its.copies[-1] - self.now + self.chance.randrange(DELAY)
                )
            if self.chance.random() < 0.1:  # a copy of a copy, back on the bus of the original
                its.copies.append(its.original + 5)
                back = WAYS["amqp" if way == "fedmsg" else "fedmsg"][1]
                self.put(back(number, its.copies[-1]), 5)

    def put(self, body: dict[str, Any], delay: int) -> None:
        self.arriving.append((self.now + delay, len(self.arriving), body))

    def deliver(self) -> None:
        """Let daemons take what has arrived: fedmsg keeps nothing for one that is down, and AMQP all."""
        due = sorted((each for each in self.arriving if each[0] <= self.now), key=lambda each: each[:2])
        for each in due:
            name = "amqp" if "headers" in each[2] else "fedmsg"
            if name not in self.down:
                assert self.daemon(name).intake.accept(each[2])
                self.taken[name].append(each[2])
            elif name == "amqp":
                continue
            self.arriving.remove(each)
        for name in WAYS:
            if name not in self.down:
                daemon = self.daemon(name).daemon
                daemon.watermark.checked(True, daemon.intake.position)

    def perish(self) -> None:
        """Kill a daemon now and then, and start it again some seconds later."""
        for name, until in list(self.down.items()):
            if until <= self.now:
                del self.down[name]
                setattr(self.both, name, self.both.make(name))
                self.listen(self.daemon(name))
        if not self.down and self.chance.random() < 0.06:
            name = self.chance.choice([*WAYS])
            self.daemon(name).die()
            self.down[name] = self.now + self.chance.randrange(1, 8)

    def flush(self, name: str) -> None:
        """Let a daemon write, and cover what it has heard."""
        bench = self.daemon(name)
        if self.deadly and self.chance.random() < 0.3:
            bench.daemon.adoption.run()
        bench.flush()
        bench.daemon.commits.commit_nothing()
        bodies, self.taken[name] = self.taken[name], []
        for body in sorted(bodies, key=self.is_copy):
            self.account_for(body)

    @staticmethod
    def is_copy(body: dict[str, Any]) -> bool:
        if "headers" in body:
            return body["msg_id"].startswith(f"{YEAR}-")
        return bool(body["username"] == "amqp-bridge")

    def account_for(self, body: dict[str, Any]) -> None:
        """Note what should come of a message that is written."""
        id, second = body["msg_id"].removeprefix(f"{YEAR}-"), int(body["timestamp"]) - START
        if id in self.expected:
            return
        if self.is_copy(body):
            self.kept[id] = min(second, self.kept.get(id, second))
        else:
            self.expected[id] = second

    def let_over(self) -> None:
        """Let those copies count that have waited long enough, by any daemon."""
        kept = {row[0] for row in self.both_ends().execute("SELECT msg_id FROM statscache_kept_back")}
        self.waiting = {id: self.waiting.get(id, self.now) for id in kept}
        over = [id for id, since in self.waiting.items() if since <= self.now - self.wait]
        self.both_ends().execute(OVER, ids=over)
        bench = self.both_ends()
        bench.daemon.keeping.look(bench.engine)
        while bench.daemon.upkeep.use_spare_time():
            pass
        for id in over:
            self.expected.setdefault(id, self.kept.get(id, 0))

    def both_ends(self) -> Bench:
        """Return a daemon that lives."""
        return self.daemon(self.chance.choice([name for name in WAYS if name not in self.down]))

    def covered(self) -> list[tuple[int, int]]:
        return [(row[0], row[1]) for row in self.both_ends().execute(COVERED, start=START)]

    def assert_honest(self, before: list[tuple[int, int]]) -> None:
        """Check that what counts now, and has not before, is of no second that was complete already."""
        found = dict(tuple(row) for row in self.both_ends().execute(COUNTED, start=START))
        for id, second in found.items():
            if id not in self.counted:
                assert not any(start <= second < stop for start, stop in before), (
                    self.sent[id],
                    second,
                    before,
                )
        self.counted = found

    def finish(self) -> None:
        """Let all arrive and count."""
        self.live(3 * (self.wait + self.lateness + DELAY), messages=False)
        self.deadly = False
        self.live(10)
        self.live(self.wait + self.lateness + 20, messages=False)
        assert self.both.kept() == []


@pytest.fixture
def life(make_bench: Callable[..., Bench]) -> Callable[..., Life]:
    """Makes lives; takes the seed, the lateness, the wait, whether the buses are alike and whether daemons die."""

    def make(seed: int, lateness: int, wait: int, alike: bool, deadly: bool) -> Life:
        both = Both(make_bench, Good, lateness=10_000.0, bridges_wait=9_000.0, buses_alike=alike)
        made = Life(both, random.Random(seed), lateness, wait, deadly)
        made.begin()
        made.live(20, messages=False)
        return made

    return make


#: Also a wait so long that what is covered must stop before what is kept back.
TIMES = [(20, 4, True), (20, 4, False), (6, 12, False)]


@pytest.mark.parametrize(("lateness", "wait", "alike"), TIMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_message_counts_by_the_right_time(
    seed: int, lateness: int, wait: int, alike: bool, life: Callable[..., Life]
) -> None:
    """By that of the original if it came in time, else by that of the earliest copy; and all is complete in the end."""
    its = life(seed, lateness, wait, alike, deadly=False)
    its.live(LONG)
    its.finish()
    assert its.counted == its.expected
    assert len(its.expected) > LONG / 2
    assert sorted(its.both.cells()) == sorted(f"m{its.sent[id].number}" for id in its.expected)
    for id, second in its.expected.items():
        assert its.both.cells()[f"m{its.sent[id].number}"] == [(second // 60, 1)]
    [(_, stop)] = [span for span in its.covered() if span[1] > LONG]
    assert stop > its.now - lateness - 5
    [(start, _)] = [span for span in its.covered() if span[1] > LONG]
    assert start <= 20


@pytest.mark.parametrize(("lateness", "wait", "alike"), TIMES)
@pytest.mark.parametrize("seed", [3, 4])
def test_every_message_counts_once_though_daemons_die(
    seed: int, lateness: int, wait: int, alike: bool, life: Callable[..., Life]
) -> None:
    """By a time that was sent."""
    its = life(seed, lateness, wait, alike, deadly=True)
    its.live(LONG)
    its.finish()
    cells = its.both.cells()
    assert len(cells) > LONG / 2
    assert sorted(cells) == sorted(f"m{its.sent[id].number}" for id in its.counted)
    for id, second in its.counted.items():
        sent = its.sent[id]
        assert second in (sent.original, *sent.copies)
        assert cells[f"m{sent.number}"] == [(second // 60, 1)]
