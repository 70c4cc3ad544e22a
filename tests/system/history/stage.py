"""A database, a bus, an archive and the daemons between them, one of which is killed in each round."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from statscache.database.lock import counting
from statscache.span import Span
from statscache.store.coverage import want
from tests.support.hub import Bus
from tests.support.reference import Body, usable
from tests.system.datagrepper import Archive, Fault, Faults
from tests.system.history.check import Inspector
from tests.system.history.kills import Kill
from tests.system.history.messages import Source
from tests.system.history.rebuild import count_again
from tests.system.history.sender import Sender
from tests.system.history.slots import HistorySlot
from tests.system.torture.damage import damage
from tests.system.torture.fleet import Slot
from tests.system.torture.messages import POISON, POISONED
from tests.system.torture.server import Server
from tests.system.torture.stage import ALL_ON

#: How often the archive fails in each way; how late it is when slow, and the pause that it asks for, in seconds.
RATES = {**dict.fromkeys(Fault, 0.015), Fault.THROTTLED: 0.006, Fault.THROTTLED_DATE: 0.006}
SLOW, PAUSE = 0.3, 1
#: How many seconds late a message may be, on the bus the next whole number: more than the sender's delays, so that a
#: busy machine does no harm.
LATENESS = 2.5
#: How many messages a block of history has, and how many seconds long it is.
BLOCK, LENGTH = 48, (20, 2400)
#: Such shares of a block came over the bus, too, and come into the archive while it is read.
HEARD, LATE = 0.2, 0.1
PATIENCE = 90.0


@dataclass(frozen=True)
class Scenario:
    """What is played.

    :param hubs: how many daemons share the database
    :param exact: whether the archive gives messages as they were sent
    :param shuffle: whether it gives those of the same instant in another order each time
    :param age: how many seconds ago history ended
    :param outage: how many seconds the archive is away before each kill
    :param settings: settings of the daemons
    """

    name: str
    hubs: int = 1
    exact: bool = False
    shuffle: bool = False
    age: int = 0
    outage: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def remembers(self) -> bool:
        """Whether the ledger holds all that was counted."""
        return not (self.age or self.outage)


class Stage:
    """Where one scenario is played, in rounds: a gap opens, a daemon is killed while it is filled, all is compared."""

    def __init__(self, scenario: Scenario, seed: int, server: Server, directory: Path) -> None:
        self.scenario = scenario
        self.chance = random.Random(f"kills {seed}")
        self._server, self._directory = server, directory
        self._database = f"history_{seed}"
        url = server.database(self._database)
        self.engine = create_engine(url, poolclass=NullPool)
        self._bus = Bus()
        faults = Faults(seed, RATES, SLOW, PAUSE)
        shuffle = seed if scenario.shuffle else None
        self.archive = Archive(exact=scenario.exact, shuffle=shuffle, faults=faults, on_request=self._admit)
        self._source = Source(seed)
        self.sender = Sender(
            self._bus, self.archive, self._source, random.Random(f"sender {seed}"), scenario.exact
        )
        self._since = math.floor(time.time()) - scenario.age
        self._late: list[Body] = []
        self._asked: set[tuple[Any, Any]] = set()
        self._lock = threading.Lock()
        self.inspector = Inspector(self.engine)
        settings = {
            **self._settings(url.render_as_string(hide_password=False), directory),
            **scenario.settings,
        }
        self.slots = [
            HistorySlot(directory / f"hub-{n}", self._bus, dict(settings), {}) for n in range(scenario.hubs)
        ]
        #: That whose hub is killed in this round.
        self.slot: Slot = self.slots[0]
        #: The greatest number of a request within a round at which a hub was killed, and how many messages came late.
        self.furthest = self.late = 0
        self.kills: Counter[str] = Counter()
        #: How often everything was compared after a kill and a restart, and after it was counted again.
        self.runs = self.rebuilds = 0

    def _settings(self, url: str, directory: Path) -> dict[str, Any]:
        return {
            "statscache.sqlalchemy.uri": url,
            "statscache.plugins.enabled": ALL_ON,
            "statscache.producer.frequency": 0.2,
            "statscache.spool.directory": str(directory / "spool"),
            "statscache.database.wait": 5,
            "statscache.datagrepper.endpoint": self.archive.url,
            "statscache.coverage.lateness": LATENESS,
            "statscache.consumer.epoch": self._since,
        }

    def open(self) -> None:
        """Start the daemons."""
        for slot in self.slots:
            slot.start()
        self._bus.wait_for_subscriber()
        for slot in self.slots:
            slot.run()
        refuse = f"ALTER TABLE {POISONED} ADD CHECK (topic NOT LIKE '%{POISON}%')"
        with self.engine.begin() as connection:
            connection.execute(text(refuse))

    def play(self, kill: Kill) -> None:
        """Play a round."""
        self.slot = self.chance.choice(self.slots)
        self._prepare()
        self.sender.begin()
        try:
            self._listen()
            self.kills[kill(self)] += 1
            self.slot.start()
            time.sleep(self.chance.uniform(0, 3.5))
        finally:
            self.sender.end()
        span = Span(self._since, self.sender.last + 1)
        self._wait_until_complete(span)
        self.inspector.compare(self.sender.sent, span, self.scenario.remembers)
        self.runs += 1

    def rebuild(self) -> None:
        """Damage the tables, count all that is over again while daemons run, and compare."""
        damage(self.engine)
        place, settings = self._directory / "rebuild", self.slot.settings
        count_again(place, settings, self._since, self.chance.uniform(2, 8))
        self.inspector.compare(self.sender.sent, None, self.scenario.remembers)
        self.rebuilds += 1

    def ask(self) -> None:
        """Have the archive's next block filled in: as a daemon does that starts with an earlier epoch, and runs."""
        if self.scenario.outage:
            self.archive.lift(self._outage)
        else:
            self._want()

    @property
    def requests(self) -> int:
        """How many requests there have been."""
        return len(self.archive.log())

    def wait_for_stop(self) -> bool:
        """Wait until a request is held up; False if all is filled before."""
        span = Span(self._since, self._since + 1)
        deadline = time.monotonic() + PATIENCE
        while not self.archive.wait_for_stop(0.1):
            if not self.inspector.lacking(span) or time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Leave nothing behind but the logs."""
        for slot in self.slots:
            if slot.hub is not None:
                slot.hub.kill()
        self.archive.close()
        self._bus.close()
        self.engine.dispose()
        self._server.drop(self._database)

    def _prepare(self) -> None:
        """Put the next block into the archive, of the time before all others; none of it is wanted yet."""
        span = Span(self._since - self.chance.randint(*LENGTH), self._since)
        block = self._source.block(span, BLOCK)
        self._since = span.start
        late = [
            body for body in block if usable(body) and self.chance.random() < LATE and len(self.slots) == 1
        ]
        ready = [body for body in block if body not in late]
        self.sender.archive(ready)
        self._late = late
        for body in ready if not self.scenario.age else ():
            if usable(body) and self.chance.random() < HEARD:
                self.sender.post(body, 0.0 if self.scenario.outage else self.chance.uniform(0, 4))
        for slot in self.slots:
            slot.settings["statscache.consumer.epoch"] = self._since

    def _want(self) -> None:
        since = datetime.fromtimestamp(self._since, UTC)
        with counting(self.engine) as connection:
            plugins = connection.scalars(text("SELECT plugin FROM statscache_coverage"))
            want(connection, dict.fromkeys(plugins, since))

    def _listen(self) -> None:
        """Let daemons listen for a while, or let the archive be away until the ledger would forget what they heard."""
        if self.scenario.outage:
            self._outage = self.archive.fail(Fault.BAD_GATEWAY)
            self._want()
        time.sleep(self.scenario.outage or self.chance.choice([0, 0, self.chance.uniform(2, 5)]))

    def _admit(self, number: int, arguments: dict[str, Any]) -> None:
        """Let rows come that are late, when the second page of a span with them is asked for, for the first time.

        Only then is it sure that they come before the proof that the span is complete.
        """
        start, end = arguments["start"], arguments["end"]
        with self._lock:
            if arguments["page"] != 2 or (start, end) in self._asked:
                return
            self._asked.add((start, end))
            due = [body for body in self._late if start <= math.floor(body["timestamp"]) < end]
            self._late = [body for body in self._late if body not in due]
        self.sender.archive(due)
        self.late += len(due)

    def _wait_until_complete(self, span: Span) -> None:
        deadline = time.monotonic() + PATIENCE
        while lacking := self.inspector.lacking(span):
            for slot in self.slots:
                slot.run()
            if time.monotonic() > deadline:
                raise AssertionError(f"{span} is not complete after {PATIENCE:.0f} s: {', '.join(lacking)}")
            time.sleep(0.1)
