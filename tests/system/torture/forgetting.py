"""People are forgotten while messages name them, by commands that are interrupted at any step and run again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.forgetting import in_files
from tests.support.hub import wait_for
from tests.system.torture.faults import HUB, DatabaseFault, HubFault, crash_in_commit
from tests.system.torture.interrupted import Interrupted, replay_past, sever_at_step

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage

#: The steps of daemons that hear of it.
STEPS = tuple(f"{when} {step}" for step in ("names", "clear", "note clear") for when in ("before", "after"))
#: For how many seconds spools are waited for in the end.
PATIENCE_S = 120.0


def forget_two(stage: Stage, chance: random.Random) -> str:
    """Forget two at once."""
    return _forget(stage, chance, *chance.sample(stage.names[:-1], 2))


def forget_one(stage: Stage, chance: random.Random) -> str:
    """Forget one."""
    return _forget(stage, chance, chance.choice(stage.names[:-1]))


def _forget(stage: Stage, chance: random.Random, *names: str) -> str:
    kind, done = Interrupted(stage, "forgetting").run(chance, "forget", *names, "--json")
    if done.returncode == 0:
        stage.receipts.add(names, done.stdout)
    return kind


class Receipts:
    """What is known to be cleared of names: which, and how long the logs were that daemons had written then."""

    def __init__(self, directory: Path, names: Iterable[str]) -> None:
        self._directory, self._names = directory, set(names)
        self._written: dict[str, dict[Path, int]] = {}

    def add(self, names: Iterable[str], told: str) -> bool:
        """Note that these people are forgotten, unless spools may name them still, and return whether they do not."""
        spools = json.loads(told)["spools"]
        if spools["waiting"] or spools["uncounted"]:
            return False
        for name in names:
            self._written.setdefault(name, {path: path.stat().st_size for path in self._logs})
        return True

    @property
    def _logs(self) -> Iterator[Path]:
        return self._directory.glob("hub-*/*/hub.log")

    def named(self) -> Iterator[str]:
        """Yield each log that has a name of which it was said before that it is forgotten."""
        for name, written in self._written.items():
            for path in self._logs:
                with path.open("rb") as log:
                    log.seek(written.get(path, 0))
                    lines = [line for line in log.read().splitlines() if name.encode() in line]
                if lines:
                    yield f"{path} names {name}: {lines[0][:500]!r}"


def conclude(stage: Stage) -> None:
    """Forget all, until no spool names them that was written before.

    The last of them only now: what came since others are forgotten is else in the tails of spools, with their names.
    """

    def forget() -> bool:
        told = stage.command("forget", *stage.names, "--json")
        return bool(told) and stage.receipts.add(stage.names, told)

    wait_for("all spools to be cleared", forget, PATIENCE_S)
    stage.complaints += _in_spools(stage)


def _in_spools(stage: Stage) -> list[str]:
    found = {name: in_files(stage.directory / "spool", name) for name in stage.names}
    return [f"{len(files)} files of spools name {name}: {files[0]}" for name, files in found.items() if files]


def wrong(stage: Stage) -> Iterator[str]:
    """Yield where a name is left."""
    dump = stage.server.tool("pg_dump", stage.ways.database)
    for name in stage.names:
        lines = [line for line in dump.splitlines() if name in line]
        if lines:
            yield f"{len(lines)} lines of a dump name {name}: {lines[0][:500]}"
    yield from stage.receipts.named()
    if not stage.scenario.keeps_spools:
        yield from _in_spools(stage)


COMMANDS: dict[DatabaseFault, int] = {forget_two: 4, forget_one: 3, replay_past: 1, crash_in_commit: 1}
DAEMONS: dict[HubFault, int] = {**HUB, sever_at_step: 3}
