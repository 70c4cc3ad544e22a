"""Plays scenarios one after the other, and keeps the score."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.torture import faults
from tests.system.torture.check import Inspector
from tests.system.torture.messages import Body, Dating, make
from tests.system.torture.repeated import Repeated
from tests.system.torture.server import Server
from tests.system.torture.stage import Scenario, Stage

LEGACY = Path(__file__).parents[2] / "support" / "legacy"
VOLUMES = ["volume", "volume_by_category", "volume_by_topic", "volume_by_user", "volume_by_package"]
OTHERS = ["releng", "pagure", "pagure_project", "pagure_users"]
#: What turns some plugins off, and the others on.
WITHOUT_VOLUMES = {"statscache.plugins.disabled": VOLUMES, "statscache.plugins.enabled": []}
WITHOUT_OTHERS = {"statscache.plugins.disabled": OTHERS}
#: So little room that an outage of seconds fills it.
CRAMPED = {"statscache.spool.limit": 400_000, "statscache.memory.limit": 100_000}
AWAY = {faults.shut: 2, faults.crash_in_commit: 2, faults.swallow_answer: 2, faults.fill_disk: 1}

SCENARIOS = (
    Scenario("one daemon"),
    Scenario("two daemons", hubs=({}, {})),
    Scenario("messages that break plugins", odd=True),
    Scenario("two daemons with different plugins", hubs=(WITHOUT_OTHERS, WITHOUT_VOLUMES), odd=True),
    Scenario("plugins that join later", hubs=(WITHOUT_OTHERS, {}), later=1),
    Scenario("plugins of statscache 0.0.4", legacy=True, odd=True),
    Scenario("no room in the spool", settings=CRAMPED, database_faults=AWAY),
)

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
        kinds = ", ".join(f"{self.faults[kind]} {kind}" for kind in (faults.KILL, faults.CRASH, faults.OTHER))
        return (
            f"scenarios run     {self.scenarios}\n"
            f"faults injected   {self.faults.total()}: {kinds}\n"
            f"messages sent     {self.messages}\n"
            f"cells compared    {self.cells}\n"
            f"differences       {len(self.differences)}\n"
            f"seconds complete  {self.complete}, of which {self.false} are not\n"
            f"seconds           {self.seconds:.0f}"
        )


def run(scenarios: int, messages: int, rate: float, seed: int, say: Callable[[str], None] = print) -> Score:
    """Play so many scenarios, each with the next seed; the logs of those that differ are kept."""
    directory = Path(tempfile.mkdtemp(prefix="statscache-torture-"))
    score, start = Score(), time.monotonic()
    plugins = install_legacy(directory)
    server = Server(directory)
    try:
        for number in range(seed, seed + scenarios):
            play(number, messages, rate, server, directory, plugins, score, say)
    finally:
        server.close()
    score.seconds = time.monotonic() - start
    if not score.differences:
        shutil.rmtree(directory, ignore_errors=True)
    return score


def play(
    seed: int,
    messages: int,
    rate: float,
    server: Server,
    directory: Path,
    plugins: Path,
    score: Score,
    say: Callable[[str], None],
) -> None:
    """Play one scenario and compare."""
    scenario = SCENARIOS[(seed - 1) % len(SCENARIOS)]
    place = directory / f"seed-{seed}"
    stage = Stage(scenario, seed, rate, server, place, plugins)
    try:
        inspector = perform(stage, make(seed, messages, scenario.odd), seed, rate)
    finally:
        stage.close()
    found = [*stage.complaints, *inspector.differences]
    checked, false = len(inspector.completeness.checked), len(inspector.completeness.false_seconds)
    score.scenarios += 1
    score.messages += messages
    score.cells += inspector.cells
    score.faults += stage.faults
    score.complete += checked
    score.false += false
    score.differences += found
    say(
        f"seed {seed}, {scenario.name}: {dict(stage.faults)}, {inspector.cells} cells, {len(found)} differences, "
        f"{false} of {checked} seconds called complete are not"
    )
    for line in found:
        say(f"  {line}")
    if found:
        say(f"  the logs are in {place}")
    else:
        shutil.rmtree(place, ignore_errors=True)


def perform(stage: Stage, made: list[Body], seed: int, rate: float) -> Inspector:
    """Play what the stage is set for, and compare: before what was lost is put back, and after."""
    cut = round(len(made) * (1 - CALM))
    dating, inspector = Dating(seed, rate), Inspector(stage)

    def date(bodies: list[Body]) -> tuple[list[Body], float]:
        begin = time.time() + len(bodies) * PREPARATION_S
        dated = dating.date(bodies, begin)
        inspector.expect(dated)
        return dated, begin

    stage.open()
    watch = Repeated(lambda: inspector.completeness.watch(stage.admin), WATCH_S)
    stage.play(*date(made[:cut]))
    stage.recover()
    stage.rest(*date(made[cut:]))
    stage.settle()
    watch.end()
    inspector.after_faults()
    stage.replay(dating.date(made, 0))
    if inspector.has_put_off():
        stage.command("quarantine", "retry", "--all")
    inspector.after_replay()
    return inspector


def install_legacy(directory: Path) -> Path:
    """Install the plugins of statscache 0.0.4 into a directory of their own and return it."""
    source, target = directory / "legacy", directory / "plugins"
    shutil.copytree(LEGACY, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return target
