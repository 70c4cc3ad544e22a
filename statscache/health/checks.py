"""What keeps the daemon from its work, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from statscache.bus.interface import BOUND
from statscache.errors import number_of
from statscache.health.parts import Parts
from statscache.process.descriptors import RESERVE, limit, used

#: What is away for so many seconds is a trouble.
AWAY = 5.0
#: The same for a flush that does not come to an end, or one call of a plugin, which now and then takes its time.
STUCK = 7.0
#: A reactor that has done nothing for so many seconds is as good as dead.
DEAD = 60.0
#: How long in seconds the failure of a plugin, or the loss of a message, is reported.
RECENT = 300.0
#: Clocks that differ by so many seconds are a trouble.
APART = 5.0
#: A spool that is so full is a trouble.
FULL = 0.9
#: Fewer descriptors left than this share of all that the process may have are few.
FEW = 1 / 32


@dataclass(frozen=True)
class Trouble:
    """Something that does not work.

    :param kind: `database`, `bus`, `flush`, `plugin`, `spool`, `history`, `clock` or `daemon`
    :param what: what it is, in words that stay the same while it lasts
    :param text: what it is, for how long and why, in one line
    :param seconds: for how long
    :param severe: whether it keeps the daemon from its work, and not only from a part of it
    """

    kind: str
    what: str
    text: str
    seconds: float
    severe: bool = True


def lasting(kind: str, what: str, seconds: float, why: str = "", severe: bool = True) -> Trouble:
    """Return a trouble that has lasted for so many seconds."""
    return Trouble(kind, what, f"{what} for {seconds:.0f} s{': ' if why else ''}{why}", seconds, severe)


class Health:
    """Looks at the parts of a daemon. Nothing here waits for anything, and any thread may ask."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._clock = parts.clocks.monotonic
        self._received = 0
        self._moved = self._clock()

    @property
    def troubles(self) -> list[Trouble]:
        """All that does not work now, what is severe first."""
        looks = (
            self.deaths,
            self._descriptors,
            self._database,
            self._bus,
            self._spool,
            self._plugins,
            self._history,
            self._clocks,
        )
        found = [trouble for look in looks for trouble in look()]
        return sorted(found, key=lambda trouble: not trouble.severe)

    def deaths(self) -> Iterator[Trouble]:
        """Yield what only a restart can repair."""
        if not self.parts.flusher.is_alive:
            what = "the flush thread is not running"
            yield Trouble("flush", what, what, 0.0)
        idle = self._clock() - self._last_move()
        if idle > DEAD:
            yield lasting("daemon", "the hub's reactor has done nothing", idle)

    def _last_move(self) -> float:
        """Return when the reactor is known to have done something, on the monotonic clock.

        While messages keep coming it may not get to look at its sockets.
        """
        received = self.parts.intake.received
        if received != self._received:
            self._received, self._moved = received, self._clock()
        return max(self._moved, self.parts.watermark.looked or self._moved)

    def _descriptors(self) -> Iterator[Trouble]:
        """Yield that the process can soon open nothing more, which only the spool and the database then still can."""
        missing, most = RESERVE.missing, limit()
        open_now = used()
        if missing or most - open_now < FEW * most:
            what = "few file descriptors are left"
            yield Trouble("daemon", what, f"{what}: {open_now} of {most} are in use", 0.0)

    def _database(self) -> Iterator[Trouble]:
        """Yield what keeps rows from being written; of several reasons only the one behind the others."""
        flusher = self.parts.flusher
        now = flusher.flushes.clock()
        for kind, what, state, severe in (
            ("database", "the database has been away", flusher.database, True),
            ("flush", "the flush has been failing", flusher.flushes, True),
            ("flush", "the upkeep has been failing", flusher.upkeep, False),
        ):
            if (outage := state.outage) and now - outage.since > AWAY:
                yield lasting(kind, what, now - outage.since, outage.why, severe)
                return
        called = max((seconds for _, seconds in self.parts.calls), default=0.0)
        if (work := flusher.work) and (waited := now - work.since - called) > STUCK:
            yield lasting("flush", f"{work.what} has been waiting for the database", waited)

    def _bus(self) -> Iterator[Trouble]:
        """Yield the endpoints that are not connected, which is severe if all are."""
        watermark, now = self.parts.watermark, self._clock()
        missing = {name: since for name, since in watermark.missing.items() if not name.endswith(BOUND)}
        for name, since in missing.items():
            if now - since > AWAY:
                every = len(missing) == len(watermark.endpoints)
                yield lasting("bus", f"no connection to {name}", now - since, severe=every)
        if (standby := watermark.standby) and len(standby) < len(watermark.endpoints):
            what = "another daemon consumes some of our queues, and no time is covered"
            yield Trouble("bus", what, f"{what}: {', '.join(sorted(standby))}", 0.0, severe=False)
        if not watermark.endpoints:
            what = "the hub has no endpoint of the bus"
            yield Trouble("bus", what, f"{what}: name some in fedmsg.d", 0.0)

    def _spool(self) -> Iterator[Trouble]:
        intake, spool = self.parts.intake, self.parts.spool
        ago = self._clock() - intake.lost_at
        if ago < RECENT:
            reasons = "; ".join(sorted(dict(intake.lost.counts)))
            text = f"{number_of(intake.lost.total(), 'message')} lost, the last {ago:.0f} s ago: {reasons}"
            yield Trouble("spool", "messages were lost", text, ago)
        elif spool.held > FULL * spool.limit:
            what = "the spool is nearly full"
            yield Trouble("spool", what, f"{what}: {spool.held} of {spool.limit} bytes", 0.0, severe=False)

    def _plugins(self) -> Iterator[Trouble]:
        """Yield what is wrong with plugins; one that is being called for long keeps all others waiting."""
        parts, now = self.parts, self._clock()
        for plugin, seconds in parts.calls:
            if seconds > STUCK:
                yield lasting("plugin", f"one call of {plugin} has been running", seconds)
        for name, why in parts.unable.items():
            yield Trouble("plugin", f"{name} does not run", f"{name} does not run: {why}", 0.0, severe=False)
        suspended, wall = parts.suspensions.present, parts.clocks.read().wall
        for plugin, held in suspended.items():
            what, seconds = f"{plugin} has been suspended", max(wall - held.since.timestamp(), 0.0)
            yield lasting("plugin", what, seconds, held.reason, severe=False)
        for plugin, done in self.parts.writer.measures.plugins.items():
            ago = now - done.failed_at
            if ago < RECENT and plugin not in suspended:
                failures = number_of(done.failed, "failure")
                text = f"{plugin} fails: {failures} so far, the last {ago:.0f} s ago: {done.error}"
                yield Trouble("plugin", f"{plugin} fails", text, ago, severe=False)

    def _history(self) -> Iterator[Trouble]:
        filler = self.parts.filler
        if filler and (outage := filler.state.outage):
            seconds = filler.state.clock() - outage.since
            yield lasting("history", "filling gaps has been failing", seconds, outage.why, severe=False)

    def _clocks(self) -> Iterator[Trouble]:
        """Yield by how much this machine's clock and the database's differ: nobody knows which is right."""
        apart = self.parts.clocks.read().apart
        if abs(apart) > APART:
            what = f"this machine's clock is {'behind' if apart > 0 else 'ahead of'} the database's"
            text = f"{what} by {abs(apart):.0f} s: set the one that is wrong"
            yield Trouble("clock", what, text, 0.0, severe=False)
