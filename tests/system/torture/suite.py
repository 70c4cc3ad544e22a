"""Plays scenarios one after the other, and keeps the score."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support import pgbouncer, rabbitmq
from tests.system.torture.check import Inspector
from tests.system.torture.messages import Body, Dating, is_past, make
from tests.system.torture.naming import naming
from tests.system.torture.repeated import Repeated
from tests.system.torture.scenario import Scenario
from tests.system.torture.scenarios import chosen
from tests.system.torture.server import Server
from tests.system.torture.stage import Stage

LEGACY = Path(__file__).parents[2] / "support" / "legacy"
#: The share of the messages that is sent when the faults are over, to become complete.
CALM = 0.1
#: How often in seconds the database is looked at while all goes on.
WATCH_S = 0.7
#: How long in seconds the suite may take to prepare what it knows of a message.
PREPARATION_S = 0.0003


@dataclass
class Score:
    """What was done, and what came of it."""

    scenarios: int = 0
    messages: int = 0
    cells: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    complete: int = 0
    false: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.faults.items()))
        return (
            f"scenarios run     {self.scenarios}\n"
            f"faults injected   {self.faults.total()}: {kinds}\n"
            f"messages sent     {self.messages}\n"
            f"cells compared    {self.cells}\n"
            f"differences       {len(self.differences)}\n"
            f"seconds complete  {self.complete}, of which {self.false} are not\n"
            f"seconds           {self.seconds:.0f}"
        )


@dataclass(frozen=True)
class Load:
    """What is sent in a scenario: so many messages, and so many a second."""

    messages: int
    rate: float


class Suite:
    """Plays scenarios, each on a database of its own.

    :param directory: where all of it lies
    :param say: is told what came of each
    """

    def __init__(self, directory: Path, load: Load, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._load = load
        self._say = say
        self._plugins = install_legacy(directory)
        self._server = Server(directory)
        self.score = Score()

    def play(self, scenario: Scenario, seed: int) -> None:
        """Play a scenario and compare; its logs are kept if anything differs."""
        if missing := missing_for(scenario):
            self._say(f"seed {seed}, {scenario.name}: left out, as there is no {missing}")
            return
        place = self._directory / f"seed-{seed}"
        load = replace(self._load, rate=self._load.rate * scenario.pace)
        stage = Stage(scenario, seed, load.rate, self._server, place, self._plugins)
        inspector = Inspector(stage)
        try:
            perform(stage, inspector, seed, load)
        except Exception:
            stage.complaints.append(f"the scenario ended:\n{traceback.format_exc()}")
        finally:
            stage.close()
        found = [*stage.complaints, *inspector.differences]
        self._add(stage, inspector, found)
        self._tell(f"seed {seed}, {scenario.name}: {dict(stage.faults)}", inspector, found)
        if found:
            self._say(f"  the logs are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)

    def _add(self, stage: Stage, inspector: Inspector, found: list[str]) -> None:
        score, completeness = self.score, inspector.completeness
        score.scenarios += 1
        score.messages += self._load.messages
        score.cells += inspector.cells
        score.faults += stage.faults
        score.complete += len(completeness.checked)
        score.false += len(completeness.false_seconds)
        score.differences += found

    def _tell(self, played: str, inspector: Inspector, found: list[str]) -> None:
        completeness = inspector.completeness
        called = f"{len(completeness.false_seconds)} of {len(completeness.checked)} seconds called complete are not"
        dropped = f", {inspector.dropped} seconds of tables dropped" if inspector.dropped else ""
        self._say(f"{played}, {inspector.cells} cells, {len(found)} differences, {called}{dropped}")
        for line in found:
            self._say(f"  {line}")

    def close(self) -> None:
        """Stop the server, and keep nothing unless something differed."""
        self._server.close()
        if not self.score.differences:
            shutil.rmtree(self._directory, ignore_errors=True)


def missing_for(scenario: Scenario) -> str:
    """Return the program that a scenario needs and that is not installed; empty for none."""
    if scenario.pooled and pgbouncer.BINARY is None:
        return "pgbouncer"
    if scenario.consumers and not rabbitmq.IS_INSTALLED:
        return "rabbitmq-server"
    return ""


def run(scenarios: Iterable[Scenario], load: Load, seed: int, say: Callable[[str], None] = print) -> Score:
    """Play scenarios, each with the next seed."""
    start = time.monotonic()
    suite = Suite(Path(tempfile.mkdtemp(prefix="statscache-torture-")), load, say)
    try:
        for number, scenario in enumerate(scenarios, start=seed):
            suite.play(scenario, number)
    finally:
        suite.score.seconds = time.monotonic() - start
        suite.close()
    return suite.score


def drawn(group: str | None, runs: int, seed: int) -> Iterator[Scenario]:
    """Yield so many of the scenarios of a group, or of all; the seed says which is the first."""
    scenarios = chosen(group)
    for number in range(seed - 1, seed - 1 + runs):
        yield scenarios[number % len(scenarios)]


def perform(stage: Stage, inspector: Inspector, seed: int, load: Load) -> None:
    """Play what the stage is set for, and compare: before what was lost is put back, and after."""
    made = make(seed, load.messages, stage.scenario.odd)
    if stage.scenario.names:
        made = naming(made, seed)
    cut = round(len(made) * (1 - CALM))
    dating = Dating(seed, load.rate)

    def date(bodies: list[Body]) -> tuple[list[Body], float]:
        begin = time.time() + len(bodies) * PREPARATION_S
        dated = dating.date(bodies, begin)
        inspector.expect(dated)
        return dated, begin

    stage.past = [body for body in made if is_past(body)]
    inspector.expect(stage.past)
    stage.open()
    with Repeated(lambda: inspector.completeness.watch(stage.admin), WATCH_S):
        stage.play(*date(made[:cut]))
        stage.recover()
        stage.scenario.concludes(stage)
        stage.rest(*date(made[cut:]))
        stage.settle()
    inspector.rename()
    inspector.after_faults()
    stage.replay(dating.date(made, 0))
    if inspector.has_put_off():
        stage.command("quarantine", "retry", "--all")
    inspector.after_replay()
    stage.rebuild(dating.date(made, 0))
    inspector.after_rebuild()


def install_legacy(directory: Path) -> Path:
    """Install the plugins of statscache 0.0.4 into a directory of their own and return it."""
    source, target = directory / "legacy", directory / "plugins"
    shutil.copytree(LEGACY, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return target
