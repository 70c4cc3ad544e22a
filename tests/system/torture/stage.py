"""A scenario as it is played: a database behind a gate, hubs, a publisher, and faults on all of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from tests.support.gate import Gate
from tests.support.hub import Bus, wait_for
from tests.system.datagrepper import Archive, fetch
from tests.system.torture import faults
from tests.system.torture.check import Tables
from tests.system.torture.fleet import ROOT, Slot
from tests.system.torture.messages import POISON, POISONED, Body
from tests.system.torture.server import Server

#: How long in seconds all that was accepted may take to be counted when the faults are over.
RECOVERY = 90.0
COMMAND = "from statscache.cli import main; main()"
ALL_ON = ["volume_by_package", "volume_by_topic", "volume_by_user"]


@dataclass(frozen=True)
class Scenario:
    """What is played.

    :param hubs: for each hub the settings in which it differs
    :param later: so many of the last hubs join when half is sent
    :param hub_faults: what is done to hubs, with weights
    :param database_faults: the same for the database
    :param odd: whether messages come that plugins cannot digest
    :param legacy: whether plugins of statscache 0.0.4 run beside ours
    :param settings: settings of all hubs
    """

    name: str
    hubs: tuple[dict[str, Any], ...] = ({},)
    later: int = 0
    hub_faults: dict[faults.HubFault, int] = field(default_factory=lambda: faults.HUB)
    database_faults: dict[faults.DatabaseFault, int] = field(default_factory=lambda: faults.DATABASE)
    odd: bool = False
    legacy: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


class Stage:
    """Where one scenario is played.

    :param rate: messages a second
    :param plugins: the directory with the installed plugins of statscache 0.0.4
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        bodies: list[Body],
        rate: float,
        server: Server,
        directory: Path,
        plugins: Path,
    ) -> None:
        self.server = server
        self.complaints: list[str] = []
        self.faults: Counter[str] = Counter()
        self._scenario, self._seed, self._bodies, self._rate = scenario, seed, bodies, rate
        self._directory = directory
        self._database = f"torture_{directory.name.replace('-', '_')}"
        url = server.database(self._database)
        self.admin = create_engine(url, poolclass=NullPool)
        self._bus = Bus()
        (directory / "gate").mkdir(parents=True)
        self.gate = Gate(url, directory / "gate")
        self._sending = True
        self._half = threading.Event()
        environment = {"PYTHONPATH": str(plugins)} if scenario.legacy else {}
        self._environment = environment
        settings = {**self._settings(self.gate.url), **scenario.settings}
        self.slots = [
            Slot(directory / f"hub-{n}", self._bus, {**settings, **own}, environment)
            for n, own in enumerate(scenario.hubs)
        ]

    def _settings(self, url: str) -> dict[str, Any]:
        off = ["legacy_latest", "legacy_stubborn", "legacy_swallower"] if self._scenario.legacy else []
        return {
            "statscache.sqlalchemy.uri": url,
            "statscache.plugins.enabled": ALL_ON,
            "statscache.plugins.disabled": off,
            "statscache.producer.frequency": 0.2,
            "statscache.spool.directory": str(self._directory / "spool"),
            "statscache.spool.tail": 0,
            "statscache.database.wait": 5,
        }

    def play(self) -> None:
        """Play the scenario up to where all that was accepted should be counted and every hub has ended."""
        self._open()
        threads = [threading.Thread(target=self._publish), threading.Thread(target=self._lane, args=(None,))]
        threads += [threading.Thread(target=self._lane, args=(slot,)) for slot in self.slots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._settle()

    def _open(self) -> None:
        first = self.slots[: len(self.slots) - self._scenario.later]
        for slot in first:
            slot.start()
        self._bus.wait_for_subscriber()
        for slot in first:
            slot.run()
        refuse = f"ALTER TABLE {POISONED} ADD CHECK (topic NOT LIKE '%{POISON}%')"
        with self.admin.begin() as connection:
            connection.execute(text(refuse))

    def _publish(self) -> None:
        frames = ([body["topic"].encode(), json.dumps(body).encode()] for body in self._bodies)
        start = time.monotonic()
        for number, pair in enumerate(frames):
            if number % 20 == 0:
                time.sleep(max(start + number / self._rate - time.monotonic(), 0))
            if number > len(self._bodies) // 2:
                self._half.set()
            self._bus.send_frames(pair)
        self._sending = False

    def _lane(self, slot: Slot | None) -> None:
        """Inject one fault after the other, into a hub or else into the database, while messages are sent."""
        chance = random.Random(f"faults {self._seed} {slot and slot.name}")
        kinds = self._scenario.hub_faults if slot else self._scenario.database_faults
        if slot in self.slots[len(self.slots) - self._scenario.later :]:
            self._half.wait()
        try:
            while self._sending and kinds:
                time.sleep(chance.uniform(0, 1))
                self._inject(faults.draw(chance, kinds), slot, chance)
        except Exception:
            self.complaints.append(f"the lane of {slot and slot.name} ended:\n{traceback.format_exc()}")

    def _inject(self, fault: Callable[..., str | None], slot: Slot | None, chance: random.Random) -> None:
        before = time.monotonic()
        kind = fault(self, slot, chance) if slot else fault(self, chance)
        if kind:
            self.faults[kind] += 1
        took = time.monotonic() - before
        with (self._directory / "faults.log").open("a") as log:
            stamp = time.strftime("%H:%M:%S")
            log.write(f"{stamp} {slot.name if slot else 'database'} {fault.__name__} {took:.1f} s: {kind}\n")

    def _settle(self) -> None:
        """Wait until all is counted, then end the hubs."""
        try:
            for slot in self.slots:
                slot.run()
            wait_for("all that was accepted to be counted", self._settled, RECOVERY)
            for slot in self.slots:
                if "in the spool for the next start" in slot.end():
                    self.complaints.append(f"{slot.name} has not written all at its end")
        except AssertionError as error:
            self.complaints.append(str(error)[:300])
        self.complaints += [line for slot in self.slots for line in slot.complaints]

    def _settled(self) -> bool:
        with Tables(self.admin) as tables:
            done = self.accepted <= tables.ledger.keys() and not tables.put_off
        time.sleep(0.2)
        return done and len(self.spools) <= len(self.slots)

    @property
    def accepted(self) -> set[str]:
        """The ids of all messages that any hub has accepted."""
        return set().union(*(slot.accepted() for slot in self.slots))

    @property
    def lost(self) -> int:
        """How many messages found no room in a spool."""
        return sum(slot.lost() for slot in self.slots)

    @property
    def spools(self) -> list[Path]:
        """The directories of spools that are there."""
        return [path for path in (self._directory / "spool").glob("*/*") if path.is_dir()]

    def command(self, *arguments: str) -> str:
        """Run a statscache command that must succeed, and return what it prints."""
        settings = self._settings(self.admin.url.render_as_string(hide_password=False))
        endpoints = {"endpoints": {}, "zmq_enabled": True, "validate_signatures": False}
        (self._directory / "fedmsg.d").mkdir(exist_ok=True)
        (self._directory / "fedmsg.d" / "config.py").write_text(
            f"config = { ({**endpoints, **settings})!r}\n"
        )
        path = os.pathsep.join([str(ROOT), *filter(None, [self._environment.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=self._directory,
            env={**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        (self._directory / f"{arguments[0]}.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            self.complaints.append(
                f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr[-300:]}"
            )
        return done.stdout

    def replay(self) -> None:
        """Count all that was sent: what the sockets of killed hubs held comes back from an archive."""
        archive = Archive(self._bodies, exact=True)
        try:
            bodies = list(fetch(archive.url))
        finally:
            archive.close()
        random.Random(f"replay {self._seed}").shuffle(bodies)
        path = self._directory / "sent.jsonl"
        path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
        self.command("replay", str(path))

    def close(self) -> None:
        """Leave nothing behind but the logs."""
        for slot in self.slots:
            if slot.hub is not None:
                slot.hub.kill()
        self.gate.shut()
        self._bus.close()
        self.admin.dispose()
        self.server.drop(self._database)
