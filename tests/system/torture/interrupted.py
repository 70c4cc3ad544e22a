"""What is interrupted at any step: commands are killed, or their sessions or the server end, and those of daemons."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.system.torture import faults
from tests.system.torture.commanding import steps_of
from tests.system.torture.commands import Commands
from tests.system.torture.orders import ORDER

if TYPE_CHECKING:
    from tests.system.torture.fleet import Slot
    from tests.system.torture.stage import Stage

KILLED, DATABASE = "SIGKILLs of commands", "database kills under commands"
WHOLE, SEVERED = "commands under load", "database kills under daemons at a step"
SCRIPT = "from tests.system.torture.commanding import main; main()"
#: At the latest so often it comes to a step that a command is killed at.
TIMES = (1, 1, 1, 2, 3, 6)
#: How long in seconds a command runs that is killed at no step, and how long it may take in all.
ANY_INSTANT, PATIENCE = (0.5, 4.0), 120.0
#: What happens to the database while a command is stopped at a step.
OnStep = Callable[["Stage", random.Random], object]


class Interrupted:
    """Runs one command after the other, each with its own fate.

    :param name: of a directory for it
    :param settings: in which these commands differ from the daemons
    """

    def __init__(self, stage: Stage, name: str, settings: dict[str, Any] | None = None) -> None:
        self._stage = stage
        self._directory = stage.directory / name
        given = {**stage.bus.settings, **stage.settings(), **(settings or {})}
        self._commands = Commands(
            self._directory, given, script=SCRIPT, environment=as_told(stage, self._directory)
        )

    def run(self, chance: random.Random, *arguments: str) -> tuple[str, subprocess.CompletedProcess[str]]:
        """Run a command, interrupt it somehow or not at all, and return what that counts as and what it said."""
        fates = {self._kill: 3, self._kill_at_step: 4, self._stop_at_step: 4, self._leave: 2}
        fate = faults.draw(chance, fates)
        kind, done = fate(chance, arguments)
        said = done.stderr.strip().rpartition("\n")[2][:300]
        self._stage.log(f"{' '.join(arguments[:3])[:80]}: {kind}, ended with {done.returncode}: {said}")
        if "Traceback" in done.stderr:
            self._stage.complaints.append(f"{arguments[0]} said {done.stderr[-1500:]}")
        return kind, done

    def finish(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and leave it alone."""
        return self._leave(random.Random(), arguments)[1]  # type: ignore[no-any-return]

    def _start(self, arguments: tuple[str, ...], order: dict[str, Any] | None = None) -> Any:
        path = self._directory / ORDER
        path.unlink(missing_ok=True)
        if order:
            path.write_text(json.dumps(order))
        return self._commands.start(*arguments)

    def _kill(self, chance: random.Random, arguments: tuple[str, ...]) -> Any:
        """Kill it at any instant."""
        process = self._start(arguments)
        time.sleep(chance.uniform(*ANY_INSTANT))
        process.kill()
        return KILLED, self._commands.wait(process, *arguments)

    def _kill_at_step(self, chance: random.Random, arguments: tuple[str, ...]) -> Any:
        """Let it kill itself at a step, if it comes to that."""
        process = self._start(arguments, self._order(chance, arguments[0], signal.SIGKILL))
        done = self._commands.wait(process, *arguments)
        return KILLED if done.returncode == -signal.SIGKILL else WHOLE, done

    def _stop_at_step(self, chance: random.Random, arguments: tuple[str, ...]) -> Any:
        """Let it stop at a step, end its sessions or the server, and let it go on."""
        process = self._start(arguments, self._order(chance, arguments[0], signal.SIGSTOP))
        stopped = _is_stopped(process.pid)
        if stopped:
            chance.choice([faults.sever, faults.crash, faults.cut])(self._stage, chance)
            process.send_signal(signal.SIGCONT)
        return DATABASE if stopped else WHOLE, self._commands.wait(process, *arguments)

    def _leave(self, chance: random.Random, arguments: tuple[str, ...]) -> Any:
        return WHOLE, self._commands.wait(self._start(arguments), *arguments)

    def _order(self, chance: random.Random, command: str, number: int) -> dict[str, Any]:
        return {"step": chance.choice(steps_of(command)), "n": chance.choice(TIMES), "signal": int(number)}


def replay_past(stage: Stage, chance: random.Random) -> str:
    """Replay some messages of years ago, by a command that is interrupted."""
    path = stage.directory / "past.jsonl"
    some = chance.sample(stage.past, len(stage.past) // 2)
    path.write_text("".join(json.dumps(body) + "\n" for body in some))
    return Interrupted(stage, "replaying").run(chance, "replay", str(path))[0]


def sever_at_step(stage: Stage, slot: Slot, chance: random.Random) -> str | None:
    """End a daemon's sessions at a step of the scenario's own."""
    done = slot.order(chance.choice(stage.scenario.steps), chance.randint(1, 4), signal.SIGSTOP)
    if done:
        faults.sever(stage, chance)
    slot.thaw()
    return SEVERED if done else None


def as_told(stage: Stage, directory: Path) -> dict[str, str]:
    """Return the environment's variables of commands that are told in a directory what is to become of them."""
    return {"TORTURE_DIRECTORY": str(directory), **stage.environment}


def _is_stopped(pid: int) -> bool:
    """Wait until a process has stopped itself, or is at its end, and return which."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = psutil.Process(pid).status()
        if status in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            return bool(status == psutil.STATUS_STOPPED)
        time.sleep(0.02)
    raise AssertionError("a command does not end")
