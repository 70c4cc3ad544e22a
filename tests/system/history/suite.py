"""Plays scenarios, two daemons at a time, and keeps the score."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.system.history.kills import KINDS, Kill, plan
from tests.system.history.stage import Scenario, Stage
from tests.system.torture.server import Server

DAY = 86_400
#: How many rounds a scenario has.
ROUNDS = 12
#: A ledger that forgets after two seconds, and an archive that is away for longer.
FORGETFUL = Scenario("an archive that is away", outage=4.5, settings={"statscache.ledger.keep": 2 / DAY})
SCENARIOS = (
    Scenario("one daemon", shuffle=True),
    FORGETFUL,
    Scenario("an archive that shows what was sent", exact=True),
    Scenario("two daemons, and history that the ledger does not reach", hubs=2, age=10 * DAY),
)


@dataclass
class Score:
    """What was done, and what came of it."""

    runs: int = 0
    messages: int = 0
    late: int = 0
    cells: int = 0
    pruned: int = 0
    rebuilds: int = 0
    furthest: int = 0
    requests: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{self.kills[kind]} {kind}" for kind in KINDS)
        faults = ", ".join(f"{number} {kind}" for kind, number in sorted(self.faults.items()))
        return (
            f"runs              {self.runs}: a kill, a restart and a comparison of everything each\n"
            f"kills             {kinds}; at requests up to the {self.furthest}th of a round\n"
            f"requests          {self.requests}, faults served: {self.faults.total()} ({faults})\n"
            f"messages sent     {self.messages}, {self.late} of them in the archive late, between two pages\n"
            f"events pruned     {self.pruned}\n"
            f"rebuilds          {self.rebuilds}: of damaged tables, one killed before each\n"
            f"cells compared    {self.cells}\n"
            f"differences       {len(self.differences)}\n"
            f"seconds           {self.seconds:.0f}"
        )

    def add(self, stage: Stage) -> None:
        """Add what came of a stage."""
        entries = stage.archive.log()
        self.messages += len(stage.sender.sent)
        self.late += stage.late
        self.cells += stage.inspector.cells
        self.pruned += stage.inspector.pruned
        self.rebuilds += stage.rebuilds
        self.furthest = max(self.furthest, stage.furthest)
        self.requests += len(entries)
        self.runs += stage.runs
        self.kills += stage.kills
        self.faults += Counter(str(entry["fault"]) for entry in entries if entry["fault"])


class Suite:
    """Plays runs, some in each scenario.

    :param seed: of the first scenario
    :param say: gets a line for each scenario
    """

    def __init__(self, seed: int, say: Callable[[str], None] = print) -> None:
        self._seed, self._say = seed, say
        self._directory = Path(tempfile.mkdtemp(prefix="statscache-history-"))
        self._lock = threading.Lock()
        self._stopping = False
        self.score = Score()

    def run(self, runs: int, rounds: int = ROUNDS) -> Score:
        """Play so many runs; the logs of scenarios that differ are kept."""
        start = time.monotonic()
        kills = list(islice(plan(), runs))
        jobs = [
            (number, kills[at : at + rounds]) for number, at in enumerate(range(0, runs, rounds), self._seed)
        ]
        self._server = Server(self._directory)
        try:
            for hubs, lanes in ((1, 2), (2, 1)):
                self._play_all([job for job in jobs if scenario_of(job[0]).hubs == hubs], lanes)
        finally:
            self._server.close()
        self.score.seconds = time.monotonic() - start
        if not self.score.differences:
            shutil.rmtree(self._directory, ignore_errors=True)
        return self.score

    def _play_all(self, jobs: list[tuple[int, list[Kill]]], lanes: int) -> None:
        with ThreadPoolExecutor(lanes) as pool:
            try:
                list(pool.map(lambda job: self._play(*job), jobs))
            except BaseException:
                self._stopping = True  # which the pool's threads are waited for to heed
                raise

    def _play(self, seed: int, kills: list[Kill]) -> None:
        scenario, place = scenario_of(seed), self._directory / f"seed-{seed}"
        place.mkdir()
        stage = Stage(scenario, seed, self._server, place)
        found: list[str] = []
        try:
            self._play_rounds(stage, kills, found)
        finally:
            stage.close()
        found += [line for slot in stage.slots for line in slot.complaints]
        with self._lock:
            self.score.add(stage)
            self.score.differences += found
            self._tell(f"seed {seed}, {scenario.name}: {dict(stage.kills)}", stage, found, place)

    def _play_rounds(self, stage: Stage, kills: list[Kill], found: list[str]) -> None:
        """Play until something differs: what comes after that differs, too."""
        try:
            stage.open()
            for number, kill in enumerate(kills, 1):
                if self._stopping:
                    return
                stage.play(kill)
                if stage.inspector.differences:
                    found.append(f"round {number}, {dict(stage.kills)}:")
                    found += stage.inspector.differences
                    return
            stage.rebuild()
            found += stage.inspector.differences
        except Exception:
            found.append(f"round {stage.runs + 1} ended:\n{traceback.format_exc()}")

    def _tell(self, what: str, stage: Stage, found: list[str], place: Path) -> None:
        self._say(f"{what}, {stage.inspector.cells} cells, {len(found)} differences")
        for line in found:
            self._say(f"  {line}")
        if found:
            self._say(f"  the logs are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)


def scenario_of(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    return SCENARIOS[(seed - 1) % len(SCENARIOS)]
