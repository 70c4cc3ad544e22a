"""A scenario as it is played: a database behind a gate, a bus, daemons, a publisher, and faults on all of them."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.support.clock_preload import MovableClock
from tests.support.hub import wait_for
from tests.system.datagrepper import Archive, fetch
from tests.system.torture.buses import make_bus
from tests.system.torture.commands import SCRIPT, Commands
from tests.system.torture.completeness import LATENESS
from tests.system.torture.damage import SINCE, damage
from tests.system.torture.fleet import Slot
from tests.system.torture.forgetting import Receipts
from tests.system.torture.interrupted import SCRIPT as COMMANDING
from tests.system.torture.interrupted import as_told
from tests.system.torture.lanes import lanes_of
from tests.system.torture.messages import POISON, POISONED, Body
from tests.system.torture.naming import names_of, renamed, tokens
from tests.system.torture.publisher import Publisher
from tests.system.torture.revisions import HERE, VARIABLE
from tests.system.torture.scenario import Scenario
from tests.system.torture.server import Server
from tests.system.torture.tables import Tables
from tests.system.torture.ways import Ways

#: How long in seconds all that was accepted may take to be counted when the faults are over.
RECOVERY = 180.0
ALL_ON = ["volume_by_package", "volume_by_topic", "volume_by_user"]


class Stage:
    """Where one scenario is played.

    :param rate: messages a second
    :param plugins: the directory with the installed plugins of statscache 0.0.4
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        rate: float,
        server: Server,
        directory: Path,
        plugins: Path,
    ) -> None:
        self.complaints: list[str] = []
        self.faults: Counter[str] = Counter()
        self.scenario, self._seed = scenario, seed
        self.directory = directory
        #: The environment's variables of commands.
        self.environment = {VARIABLE: str(HERE)} if scenario.upgrades else {}
        #: Who is to be forgotten, and what is known of that.
        self.names = names_of(seed) if scenario.names else ()
        self.receipts = Receipts(directory, self.names)
        #: What is sent that is of years ago, from the first.
        self.past: list[Body] = []
        #: The ways to its database.
        self.ways = Ways(scenario, server, directory)
        self.gate, self.admin = self.ways.gate, self.ways.admin
        #: What the daemons listen to.
        self.bus = make_bus(scenario, seed, directory / "broker")
        self.publisher = Publisher(self.bus, rate)
        self._environment = {"PYTHONPATH": str(plugins)} if scenario.legacy else {}
        self.clocks: dict[str, MovableClock] = {}
        #: The places of the daemons.
        self.slots = self.bus.slots(self._make_slot)

    def _make_slot(self, kind: type[Slot], name: str, source: Any, own: dict[str, Any]) -> Slot:
        settings = {**self.settings(), **own}
        directory, environment = self.directory / name, dict(self._environment)
        if self.scenario.sets_clocks:
            directory.mkdir()
            self.clocks[name] = MovableClock(directory)
            environment |= self.clocks[name].environment
        return kind(directory, source, settings, environment)

    @property
    def server(self) -> Server:
        """The database's server."""
        return self.ways.server

    def settings(self) -> dict[str, Any]:
        """Return the settings of all daemons."""
        return {**self._settings(self.ways.url), **self.scenario.settings}

    def _settings(self, url: str) -> dict[str, Any]:
        off = ["legacy_latest", "legacy_stubborn", "legacy_swallower"] if self.scenario.legacy else []
        return {
            "statscache.sqlalchemy.uri": url,
            "statscache.plugins.enabled": ALL_ON,
            "statscache.plugins.disabled": off,
            "statscache.producer.frequency": 0.2,
            "statscache.spool.directory": str(self.directory / "spool"),
            "statscache.spool.tail": 0,
            "statscache.coverage.lateness": LATENESS,
            "statscache.database.wait": 5,
            "statscache.forget.key": str(self.key_file),
        }

    @property
    def key_file(self) -> Path:
        """The file with the key by which people are known who are forgotten."""
        return self.directory / "forget.key"

    def open(self) -> None:
        """Start the daemons that are there from the first."""
        self.bus.open(self.command)
        first = [slot for slot in self.slots if not self.is_later(slot)]
        for slot in first:
            slot.start()
        for slot in first:
            slot.run()
        self.bus.wait_for_subscriber()
        refuse = f"ALTER TABLE {POISONED} ADD CHECK (topic NOT LIKE '%{POISON}%')"
        with self.admin.begin() as connection:
            connection.execute(text(refuse))

    def play(self, bodies: Sequence[Body], begin: float) -> None:
        """Send messages, and inject faults meanwhile.

        :param begin: when the first is sent, in seconds since 1970
        """
        self.publisher.is_sending = True
        threads = [threading.Thread(target=self.publisher.publish, args=(bodies, begin))]
        threads += [threading.Thread(target=lane.run, args=(self,)) for lane in lanes_of(self, self._seed)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def recover(self) -> None:
        """Wait until every hub runs, with the right time, and what is sent from now on is heard in full."""
        for clock in self.clocks.values():
            clock.set(0)
        self._complain_unless("what is sent now to be heard in full", self._is_heard)

    def rest(self, bodies: Sequence[Body], begin: float) -> None:
        """Send messages while nothing else is done."""
        self.publisher.publish(bodies, begin)

    def settle(self) -> None:
        """Wait until all is counted and complete, then end the hubs."""
        self._complain_unless(
            "all that was accepted to be counted, and complete", lambda: not self._unsettled()
        )
        for slot in self.slots:
            if "in the spool for the next start" in slot.end():
                self.complaints.append(f"{slot.name} has not written all at its end")
        self.complaints += [line for slot in self.slots for line in slot.complaints]
        self.complaints += [*self.bus.left(), *self.ways.left()]

    def _complain_unless(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            for slot in self.slots:
                slot.run()
            wait_for(what, condition, RECOVERY)
        except AssertionError as error:
            self.complaints.append(f"{str(error)[:300]}; {self._unsettled()}")

    def _is_heard(self) -> bool:
        """Return whether every plugin covers what is newer than all that was sent."""
        time.sleep(0.2)
        with Tables(self.admin) as tables:
            return tables.covered_through > self.publisher.last

    def is_later(self, slot: Slot) -> bool:
        """Return whether the daemons of a place join when half is sent."""
        return slot in self.slots[len(self.slots) - self.scenario.later :]

    def log(self, line: str) -> None:
        """Keep what was done, and when."""
        with (self.directory / "faults.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def _unsettled(self) -> str:
        """Return what is still to be done; empty for nothing."""
        time.sleep(0.2)
        with Tables(self.admin) as tables:
            missing = {} if self.scenario.damages else self.accepted - tables.ledger.keys()
            late = self.publisher.last - tables.covered_through
            wanting = {
                f"{len(missing)} messages are not in the ledger": missing,
                f"{tables.put_off} are put off": not self.scenario.damages and tables.put_off,
                f"{late:.1f} seconds are not covered": late > 0,
            }
        waiting = self.bus.waiting
        wanting[f"{waiting} messages wait in queues"] = waiting
        spools = not (self.scenario.damages or self.scenario.keeps_spools)
        wanting[f"{len(self.spools)} spools are left"] = spools and len(self.spools) > len(self.slots)
        return ", ".join(words for words, is_so in wanting.items() if is_so)

    @property
    def instead(self) -> dict[str, str]:
        """What is written instead of the names of people who are forgotten."""
        if not self.key_file.exists():
            return {}
        with self.admin.connect() as connection:
            return tokens(connection, self.key_file, self.names)

    @property
    def accepted(self) -> set[str]:
        """The ids of all messages that any hub has accepted, as the ledger has them."""
        ids = set().union(*(slot.accepted() for slot in self.slots))
        return {renamed(id, instead) for id in ids} if (instead := self.instead) else ids

    @property
    def lost(self) -> int:
        """How many messages found no room in a spool."""
        return sum(slot.lost() for slot in self.slots)

    @property
    def spools(self) -> list[Path]:
        """The directories of spools that are there."""
        return [path for path in (self.directory / "spool").glob("*/*") if path.is_dir()]

    @property
    def segments(self) -> list[Path]:
        """The files of these spools that hold messages."""
        return sorted(path for spool in self.spools for path in spool.glob("*.spool"))

    def command(self, *arguments: str, kill_after: float | None = None) -> str:
        """Run a statscache command that must succeed unless it is killed, and return what it prints.

        :param kill_after: after how many seconds that is
        """
        url = self.admin.url.render_as_string(hide_password=False)
        settings = {**self._settings(url), **self.scenario.settings}
        script, told = (COMMANDING, as_told(self, self.directory)) if self.environment else (SCRIPT, {})
        plugins = self._environment.get("PYTHONPATH", "")
        commands = Commands(self.directory, {**self.bus.settings, **settings}, plugins, script, told)
        done = commands.run(*arguments, kill_after=kill_after)
        if done.returncode and kill_after is None:
            said = f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr[-300:]}"
            self.complaints.append(said)
        return done.stdout

    def replay(self, sent: Sequence[Body]) -> None:
        """Count all that was sent: what the sockets of killed hubs held comes back from an archive."""
        archive = Archive(list(sent), exact=True)
        try:
            bodies = list(fetch(archive.url))
        finally:
            archive.close()
        random.Random(f"replay {self._seed}").shuffle(bodies)
        path = self.directory / "sent.jsonl"
        path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
        self.command("replay", str(path))

    def rebuild(self, sent: Sequence[Body]) -> None:
        """Damage the tables, and count all of the past again, the first time by a command that is killed."""
        archive = Archive(list(sent), exact=True)
        arguments = "backfill", "--rebuild", "--since", SINCE, "--from", archive.url
        try:
            damage(self.admin)
            self.command(*arguments, kill_after=random.Random(f"rebuild {self._seed}").uniform(2, 10))
            self.command(*arguments)
        finally:
            archive.close()

    def close(self) -> None:
        """Leave nothing behind but the logs."""
        for slot in self.slots:
            if slot.hub is not None:
                slot.hub.kill()
        self.bus.close()
        self.ways.close()
